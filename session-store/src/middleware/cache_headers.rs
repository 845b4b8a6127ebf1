//! Keeps the session id out of shared caches.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, VARY};

/// Marks a response that sets or removes the session cookie or token. `field` is the response header that it
/// is in, and `request_field` that of the request. A cache may store such a response ([RFC 9111, section
/// 7.3][cookies]), and give one visitor's session to others.
///
/// The application's own directives stay: a cache obeys them and this one ([RFC 9111, section
/// 5.2.2.4][no-cache]).
///
/// [cookies]: https://www.rfc-editor.org/rfc/rfc9111#section-7.3
/// [no-cache]: https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.4
pub(super) fn keep_from_shared_caches(
    headers: &mut HeaderMap,
    field: &str,
    request_field: &'static str,
) {
    let is_kept_out = |directive: &str| keeps_out(directive, field);
    if !members(headers, &CACHE_CONTROL).any(is_kept_out)
        && let Ok(no_cache) = HeaderValue::from_str(&format!("no-cache=\"{field}\""))
    {
        headers.append(CACHE_CONTROL, no_cache);
    }
    let is_varied = |member: &str| member == "*" || member.eq_ignore_ascii_case(request_field);
    if !members(headers, &VARY).any(is_varied) {
        headers.append(VARY, HeaderValue::from_static(request_field));
    }
}

/// Returns whether this directive alone keeps a shared cache from answering with a stored field.
fn keeps_out(directive: &str, field: &str) -> bool {
    let (name, fields) = match directive.split_once('=') {
        Some((name, fields)) => (name.trim_end(), Some(fields.trim().trim_matches('"'))),
        None => (directive, None),
    };
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    // Without a list of header fields, `no-cache` and `private` are about the whole response.
    let is_about_it = fields.is_none_or(|fields| {
        let mut fields = fields.split(',').map(str::trim);
        fields.any(|other| other.eq_ignore_ascii_case(field))
    });
    is("no-store") || (is("no-cache") || is("private")) && is_about_it
}

/// Returns the members of a header's lists: what is between the commas that are not in quotes.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lists = headers.get_all(name).into_iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| {
        let (mut is_quoted, mut is_escaped) = (false, false);
        let members = list.split(move |char| {
            let is_end = char == ',' && !is_quoted;
            if char == '"' && !is_escaped {
                is_quoted = !is_quoted;
            }
            is_escaped = is_quoted && char == '\\' && !is_escaped;
            is_end
        });
        members.map(str::trim)
    })
}

#[cfg(test)]
mod tests {
    use super::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, VARY, keep_from_shared_caches};

    const NO_CACHE: &str = "no-cache=\"Set-Cookie\"";

    /// Returns the lines of a header after the response was marked.
    fn marked(name: &HeaderName, lines: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        keep_from_shared_caches(&mut headers, "Set-Cookie", "Cookie");
        let lines = headers.get_all(name).iter();
        lines
            .map(|line| String::from_utf8(line.as_bytes().to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn what_is_stricter_stays_as_it_is() {
        for cache_control in [
            &["no-store"] as &[_],
            &["No-Store"],
            &["public, no-store"],
            &["public", "max-age=60, private"],
            &["no-cache"],
            &["private=\"set-cookie\""],
            &[NO_CACHE],
            &["no-cache=Set-Cookie"],
            &["no-cache=\"X-A, SET-COOKIE\", max-age=60"],
        ] {
            assert_eq!(marked(&CACHE_CONTROL, cache_control), cache_control);
        }
    }

    #[test]
    fn anything_else_is_added_to() {
        for cache_control in [
            &[] as &[_],
            &[""],
            &["public, max-age=60"],
            &["s-maxage=0, must-revalidate"],
            &["max-age=60", "immutable"],
            &["no-cache=\"X-A\"", "private=\"X-B, X-C\""],
            &["no-cache=\"\""],
            // Other words, and words in quotes.
            &["no-storey, x-private, no-cache-please"],
            &["x=\"a, no-store\""],
            &["x=\"a\\\", no-store, \\\\\""],
            &["private ä"],
        ] {
            let added = [cache_control, &[NO_CACHE]].concat();
            assert_eq!(marked(&CACHE_CONTROL, cache_control), added);
        }
    }

    #[test]
    fn the_response_varies_by_cookie_once() {
        for vary in [
            &["*"] as &[_],
            &["Cookie"],
            &["accept, COOKIE"],
            &["Accept", "cookie , Origin"],
        ] {
            assert_eq!(marked(&VARY, vary), vary);
        }
        for vary in [&[] as &[_], &["Accept"], &["Cookie2, X-Cookie"]] {
            assert_eq!(marked(&VARY, vary), [vary, &["Cookie"]].concat());
        }
    }
}
