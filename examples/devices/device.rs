//! Which browser and system does a user agent name?

use std::fmt;

use maud::{Markup, Render, html};
use woothee::parser::Parser;
use woothee::woothee::VALUE_UNKNOWN;

/// A device, displayed as "Firefox on Linux".
pub struct Device {
    browser: Option<String>,
    system: Option<String>,
    pub is_phone: bool,
}

impl Device {
    pub fn new(user_agent: Option<&str>) -> Self {
        let parsed = user_agent.and_then(|user_agent| Parser::new().parse(user_agent));
        let Some(parsed) = parsed else {
            return Self {
                browser: None,
                system: None,
                is_phone: false,
            };
        };
        let is_known = |name: &&str| *name != VALUE_UNKNOWN;
        Self {
            browser: Some(parsed.name).filter(is_known).map(browser_name),
            system: Some(parsed.os).filter(is_known).map(system_name),
            is_phone: parsed.category == "smartphone",
        }
    }

    /// Renders an icon, hidden from screen readers because the name says the same.
    pub fn icon(&self) -> Markup {
        html! {
            svg.icon viewBox="0 0 24 24" aria-hidden="true" {
                @if self.is_phone {
                    rect x="7" y="2.5" width="10" height="19" rx="2.5" {}
                    path d="M11 18.5h2" {}
                } @else {
                    rect x="4" y="4.5" width="16" height="11" rx="1.5" {}
                    path d="M2 19.5h20" {}
                }
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.browser, &self.system) {
            (Some(browser), Some(system)) => write!(f, "{browser} on {system}"),
            (Some(name), None) | (None, Some(name)) => f.write_str(name),
            (None, None) => f.write_str("Unknown device"),
        }
    }
}

impl Render for Device {
    fn render(&self) -> Markup {
        self.to_string().render()
    }
}

fn browser_name(name: &str) -> String {
    let name = match name {
        "SamsungBrowser" => "Samsung Internet",
        "HTTP Library" => "A program",
        name => name,
    };
    name.to_owned()
}

fn system_name(name: &str) -> String {
    match name {
        "Mac OSX" => "macOS".to_owned(),
        // Browsers report every version since 10 as "Windows 10".
        "Windows 10" => "Windows".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_browsers_and_systems_are_recognized() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/141.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/26.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                 SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("curl/8.9.1", "A program"),
            ("Laptop", "Unknown device"),
            ("", "Unknown device"),
        ] {
            assert_eq!(Device::new(Some(user_agent)).to_string(), name);
        }
        assert_eq!(Device::new(None).to_string(), "Unknown device");
    }
}
