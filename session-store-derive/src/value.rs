//! What value each word of an attribute takes.

use proc_macro2::TokenTree;
use syn::parse::ParseStream;
use syn::{Error, Expr, ExprLit, ExprPath, Ident, Lit, LitStr, Result, Token};

use crate::error::Faults;

/// A word that takes no value may still have been given one; which word it is, is clear.
pub(crate) fn no_value(input: ParseStream<'_>, name: &str, faults: &mut Faults) {
    if input.is_empty() || input.peek(Token![,]) {
        return;
    }
    let message = format!("`{name}` takes no value: write `#[session({name})]`");
    faults.push(input.error(message));
    skip(input);
}

/// The value after `=`, if there is any.
pub(crate) fn value(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<Option<Expr>> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(None);
    }
    let help = format!("write it as in `#[session({example})]`");
    if input.parse::<Token![=]>().is_err() {
        return Err(input.error(format!("expected `=`: {help}")));
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new_spanned(
            word,
            format!("there is no value after `=`: {help}"),
        ));
    }
    input.parse().map(Some)
}

pub(crate) fn text(input: ParseStream<'_>, word: &Ident, name: &str) -> Result<LitStr> {
    let example = match name {
        "pointer" => "pointer = \"/cart/total\"",
        _ => "key = \"user_id\"",
    };
    match value(input, word, example)? {
        Some(Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        })) => Ok(text),
        Some(other) => {
            let message = format!("`{name}` is a string: write it as in `#[session({example})]`");
            Err(Error::new_spanned(other, message))
        }
        None => {
            let message = format!("`{name}` needs a value: write it as in `#[session({example})]`");
            Err(Error::new_spanned(word, message))
        }
    }
}

pub(crate) fn path(input: ParseStream<'_>, word: &Ident) -> Result<ExprPath> {
    let example = "with = user_agent";
    let (place, problem) = match value(input, word, example)? {
        Some(Expr::Path(path)) => return Ok(path),
        Some(Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        })) => {
            let message = format!(
                "`with` is a path: write it without quotes, `with = {}`",
                text.value()
            );
            return Err(Error::new_spanned(text, message));
        }
        Some(other) => (quote::quote!(#other), "is the path of a function"),
        None => (quote::quote!(#word), "needs a function"),
    };
    let message = format!(
        "`with` {problem} from `&session_store::Data` to the field's type: write it as in \
         `#[session({example})]`"
    );
    Err(Error::new_spanned(place, message))
}

/// RFC 6901: nothing, or tokens that each begin with `/`, where `~` stands before `0` or `1`.
pub(crate) fn pointer(text: LitStr, faults: &mut Faults) -> LitStr {
    let value = text.value();
    let slashed = format!(
        "/{}",
        value
            .trim_start_matches(['#', '$', '.', '/'])
            .replace('.', "/")
    );
    let stray = value
        .split('~')
        .skip(1)
        .any(|after| !after.starts_with(['0', '1']));
    if value.is_empty() {
        let message = "an empty pointer is the whole session: name a place in it, such as \
                       `\"/cart/total\"`";
        faults.at(&text, message);
    } else if !value.starts_with('/') {
        faults.at(
            &text,
            format!("a JSON pointer begins with `/`: write `\"{slashed}\"`"),
        );
    } else if stray {
        let message = "in a JSON pointer `~` is written `~0`, and a `/` within a key `~1`";
        faults.at(&text, message);
    }
    text
}

/// Passes over whatever stands before the next word.
pub(crate) fn skip(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) && input.parse::<TokenTree>().is_ok() {}
}
