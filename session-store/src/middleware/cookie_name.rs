//! The cookie's name: its default, and the prefixes that browsers check against the attributes.

use std::borrow::Cow;

use super::cookie::CookieOptions;
#[cfg(any(feature = "signed", feature = "private"))]
use super::cookie::Protection;

/// A prefix of cookie names, and what browsers demand of such a cookie, whatever the case of its letters.
///
/// `__Host-` and `__Secure-`: [RFC 6265bis, section 4.1.3][rfc]. The others: [MDN][mdn].
///
/// [rfc]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3
/// [mdn]: https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
struct Prefix {
    text: &'static str,
    /// No `Domain`, and the path `/`.
    is_for_one_host: bool,
    needs_http_only: bool,
}

/// All of them need `Secure`. The longest that fits comes first.
const PREFIXES: [Prefix; 4] = [
    Prefix::new("__Host-Http-", true, true),
    Prefix::new("__Host-", true, false),
    Prefix::new("__Http-", false, true),
    Prefix::new("__Secure-", false, false),
];

impl Prefix {
    const fn new(text: &'static str, is_for_one_host: bool, needs_http_only: bool) -> Self {
        Self {
            text,
            is_for_one_host,
            needs_http_only,
        }
    }

    fn of(name: &str) -> Option<&'static Self> {
        PREFIXES.iter().find(|prefix| {
            let start = name.as_bytes().get(..prefix.text.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.text.as_bytes()))
        })
    }

    /// Returns what this prefix demands, and the option that contradicts it.
    fn contradiction(&self, options: &CookieOptions) -> Option<(&'static str, String)> {
        let CookieOptions { domain, path, .. } = options;
        if !options.secure {
            return Some(("with `Secure`", "with_secure(false)".to_owned()));
        }
        if self.is_for_one_host
            && let Some(domain) = domain
        {
            return Some(("without a domain", format!("with_domain({domain:?})")));
        }
        if self.is_for_one_host && path != "/" {
            return Some(("with the path `/`", format!("with_path({path:?})")));
        }
        let is_readable = self.needs_http_only && !options.http_only;
        is_readable.then(|| ("with `HttpOnly`", "with_http_only(false)".to_owned()))
    }
}

impl CookieOptions {
    /// Returns the name that was chosen, or `id` with the strictest prefix that the other options allow.
    pub(super) fn name(&self) -> Cow<'static, str> {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let is_for_one_host = self.domain.is_none() && self.path == "/";
        let name = match (self.secure, is_for_one_host) {
            (false, _) => "id",
            (true, false) => "__Secure-id",
            (true, true) => "__Host-id",
        };
        name.into()
    }

    /// Asserts that the options fit together. Browsers refuse a cookie silently: no visitor would stay signed
    /// in, and no log would say why.
    #[track_caller]
    pub(super) fn assert_consistent(&self) {
        let contradiction = self.contradiction();
        assert!(
            contradiction.is_none(),
            "{} (layer created at {})",
            contradiction.unwrap_or_default(),
            self.location
        );
    }

    /// Returns which options contradict each other, and what to change.
    fn contradiction(&self) -> Option<String> {
        #[cfg(any(feature = "signed", feature = "private"))]
        if matches!(self.protection, Protection::Plaintext) && !self.previous_keys.is_empty() {
            let message = "expected `with_signed` or `with_private` beside `with_previous_keys`, found \
                           neither: add the one that the previous keys were used with";
            return Some(message.to_owned());
        }
        if self.partitioned && !self.secure {
            let message = "browsers accept a partitioned cookie only with `Secure`, found \
                           `with_secure(false)`: remove it, or `with_partitioned(true)`";
            return Some(message.to_owned());
        }
        let name = self.name();
        let prefix = Prefix::of(&name)?;
        let (demand, found) = prefix.contradiction(self)?;
        Some(format!(
            "browsers accept a cookie named `{name}` only {demand}, found `{found}`: remove it, or choose \
             a name without the prefix `{}`",
            prefix.text
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::CookieOptions;

    fn options(set: impl FnOnce(&mut CookieOptions)) -> CookieOptions {
        let mut options = CookieOptions::new(Location::caller());
        set(&mut options);
        options
    }

    #[test]
    fn the_default_name_has_the_strictest_prefix_that_the_other_options_allow() {
        let name = |set: fn(&mut CookieOptions)| options(set).name();
        assert_eq!(name(|_| {}), "__Host-id");
        assert_eq!(name(|o| o.partitioned = true), "__Host-id");
        assert_eq!(name(|o| o.domain = Some("a.com".into())), "__Secure-id");
        assert_eq!(name(|o| o.path = "/a".into()), "__Secure-id");
        assert_eq!(name(|o| o.secure = false), "id");
        let insecure_path = |o: &mut CookieOptions| {
            o.secure = false;
            o.path = "/a".into();
        };
        assert_eq!(name(insecure_path), "id");
        assert_eq!(name(|o| o.name = Some("sid".into())), "sid");
    }

    #[test]
    fn a_name_is_accepted_with_what_its_prefix_demands_and_refused_without() {
        type Set = fn(&mut CookieOptions);
        let insecure: Set = |o| o.secure = false;
        let domain: Set = |o| o.domain = Some("a.com".into());
        let path: Set = |o| o.path = "/a".into();
        let readable: Set = |o| o.http_only = false;
        for (name, refused, accepted) in [
            ("sid", vec![], vec![insecure, domain, path, readable]),
            // No prefix of this kind.
            ("__Host", vec![], vec![insecure, domain, path, readable]),
            ("ä__Host-", vec![], vec![insecure, domain, path, readable]),
            ("__Secure-a", vec![insecure], vec![domain, path, readable]),
            ("__Host-a", vec![insecure, domain, path], vec![readable]),
            ("__hOST-a", vec![insecure, domain, path], vec![readable]),
            ("__Http-a", vec![insecure, readable], vec![domain, path]),
            (
                "__Host-Http-a",
                vec![insecure, domain, path, readable],
                vec![],
            ),
        ] {
            let with = |set: Set| {
                let mut options = options(set);
                options.name = Some(name.into());
                options.contradiction()
            };
            assert_eq!(with(|_| {}), None, "{name}");
            for (index, set) in refused.into_iter().enumerate() {
                assert!(with(set).is_some(), "{name} {index}");
            }
            for (index, set) in accepted.into_iter().enumerate() {
                assert_eq!(with(set), None, "{name} {index}");
            }
        }
    }

    #[test]
    fn a_refusal_says_what_to_change() {
        let options = options(|o| {
            o.name = Some("__Host-sid".into());
            o.domain = Some("a.com".into());
        });
        let expected = "browsers accept a cookie named `__Host-sid` only without a domain, found \
                        `with_domain(\"a.com\")`: remove it, or choose a name without the prefix `__Host-`";
        assert_eq!(options.contradiction().as_deref(), Some(expected));
    }
}
