//! Parses the values of attributes.

use proc_macro2::TokenTree;
use syn::parse::ParseStream;
use syn::{Error, Expr, ExprLit, ExprPath, Ident, Lit, LitStr, Path, Result, Token};

use crate::error::Errors;

/// Reports and skips a value after an attribute that takes none. The attribute itself is clear.
pub(crate) fn reject(input: ParseStream<'_>, name: &str, errors: &mut Errors) {
    if is_at_end(input) {
        return;
    }
    let message = format!("unexpected value for `{name}`: write `#[session({name})]`");
    errors.push(input.error(message));
    skip(input);
}

/// Parses the value after `=`, if there is one.
pub(crate) fn optional(
    input: ParseStream<'_>,
    ident: &Ident,
    example: &str,
) -> Result<Option<Expr>> {
    if is_at_end(input) {
        return Ok(None);
    }
    if input.parse::<Token![=]>().is_err() {
        return Err(input.error(format!("expected `=`, as in `#[session({example})]`")));
    }
    if is_at_end(input) {
        let message = format!("expected a value after `=`, as in `#[session({example})]`");
        return Err(Error::new_spanned(ident, message));
    }
    input.parse().map(Some)
}

fn required(input: ParseStream<'_>, ident: &Ident, example: &str) -> Result<Expr> {
    optional(input, ident, example)?.ok_or_else(|| {
        let message = format!("expected a value for `{ident}`, as in `#[session({example})]`");
        Error::new_spanned(ident, message)
    })
}

/// Parses a string.
pub(crate) fn string(input: ParseStream<'_>, ident: &Ident, example: &str) -> Result<LitStr> {
    let value = required(input, ident, example)?;
    if let Some(string) = as_string(&value) {
        return Ok(string.clone());
    }
    let message = format!("expected a string, as in `#[session({example})]`");
    Err(Error::new_spanned(value, message))
}

/// Parses the path of a function.
pub(crate) fn function(input: ParseStream<'_>, ident: &Ident) -> Result<ExprPath> {
    let help = ": it takes `&session_store::Data` and returns the type of the field";
    path(input, ident, "a function", "with = user_agent", help)
}

/// Parses the path of a function of the request.
pub(crate) fn request_function(input: ParseStream<'_>, ident: &Ident) -> Result<ExprPath> {
    let help = ": it takes `&http::request::Parts` and returns the type of the field";
    path(input, ident, "a function", "request = client_address", help)
}

/// Parses the name of a header, in lower case as `http` has it.
pub(crate) fn header(input: ParseStream<'_>, ident: &Ident, errors: &mut Errors) -> Result<LitStr> {
    let name = string(input, ident, "header = \"user-agent\"")?;
    let value = name.value();
    let lower = value.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if value.is_empty() || !value.bytes().all(is_token) {
        let message = "expected the name of a header, such as `\"user-agent\"`";
        errors.push_spanned(&name, message);
    } else if ["authorization", "cookie", "proxy-authorization"].contains(&lower.as_str()) {
        let message = format!(
            "cannot keep the header `{lower}`: it can contain the session id or a password, which must \
             not be in the table"
        );
        errors.push_spanned(&name, message);
    } else if value != lower {
        let message = format!("expected a header in lower case: write `\"{lower}\"`");
        errors.push_spanned(&name, message);
    }
    Ok(name)
}

/// Parses the path of a crate.
pub(crate) fn krate(input: ParseStream<'_>, ident: &Ident) -> Result<Path> {
    let example = "crate = my_crate::session_store";
    let path = path(input, ident, "a crate", example, "")?;
    if path.qself.is_some() {
        let message = format!("expected the path of a crate, as in `#[session({example})]`");
        return Err(Error::new_spanned(path, message));
    }
    Ok(path.path)
}

fn path(
    input: ParseStream<'_>,
    ident: &Ident,
    what: &str,
    example: &str,
    help: &str,
) -> Result<ExprPath> {
    let value = required(input, ident, example)?;
    let message = match (ungrouped(&value), as_string(&value)) {
        (Expr::Path(path), _) => return Ok(path.clone()),
        (_, Some(string)) => {
            let path = string.value();
            format!("expected the path of {what}, found a string: write `{ident} = {path}`")
        }
        _ => format!("expected the path of {what}, as in `#[session({example})]`{help}"),
    };
    Err(Error::new_spanned(value, message))
}

/// Parses a JSON pointer (RFC 6901): tokens that each start with `/`, in which `0` or `1` follows
/// each `~`.
pub(crate) fn pointer(
    input: ParseStream<'_>,
    ident: &Ident,
    errors: &mut Errors,
) -> Result<LitStr> {
    let pointer = string(input, ident, "pointer = \"/cart/total\"")?;
    let value = pointer.value();
    let is_escape = |rest: &str| rest.starts_with(['0', '1']);
    if value.is_empty() {
        let message = "expected a pointer to one value, such as `\"/cart/total\"`, found the \
                       empty pointer, which is the whole session";
        errors.push_spanned(&pointer, message);
    } else if !value.starts_with('/') {
        let path = value.trim_start_matches(['#', '$', '.', '/']);
        let path = path.replace('.', "/");
        let message = format!("expected `/` at the start of a JSON pointer: write `\"/{path}\"`");
        errors.push_spanned(&pointer, message);
    } else if !value.split('~').skip(1).all(is_escape) {
        let message =
            "invalid `~` in a JSON pointer: write `~0` for `~`, or `~1` for a `/` in a key";
        errors.push_spanned(&pointer, message);
    }
    Ok(pointer)
}

/// Skips everything before the next comma.
pub(crate) fn skip(input: ParseStream<'_>) {
    while !is_at_end(input) && input.parse::<TokenTree>().is_ok() {}
}

fn is_at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

pub(crate) fn as_string(value: &Expr) -> Option<&LitStr> {
    match ungrouped(value) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => Some(string),
        _ => None,
    }
}

/// Returns the expression in the invisible groups that a declarative macro puts around a `$value:expr`.
fn ungrouped(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => ungrouped(&group.expr),
        value => value,
    }
}
