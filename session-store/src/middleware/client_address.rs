//! The address of the client, through proxies.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// Returns the address of the client, if the application is behind proxies.
///
/// `peer` is the address that the connection comes from. If `is_trusted` says that this is a proxy of yours,
/// the client is the address that the proxy has added to the header `X-Forwarded-For`: the last one. If that
/// is a proxy of yours too, the client is the one before it, and so on. The first address that is not
/// trusted is returned. What is to the left of it was sent by that client, and can be made up.
///
/// So the result is right if each trusted proxy adds the address that *it* was called from, always, and at the
/// end:
///
/// | proxy | does so with |
/// |---|---|
/// | nginx | `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for` |
/// | `HAProxy` | `option forwardfor`, without `if-none` |
/// | Caddy, Traefik | their defaults |
/// | AWS's Application Load Balancer | its default `append`, not `preserve` |
/// | Google Cloud's load balancers | their default, but they add their own address after the client's: trust that, too |
///
/// If a trusted proxy passes the header on as it is, a client can choose its address. So can a client in a
/// network that is trusted: trust your own proxies alone.
///
/// Only this header is read. `Forwarded`, `X-Real-IP`, `CF-Connecting-IP` and others come from the client as
/// they are, unless the proxy replaces them. If yours does, read the one that it sets.
///
/// An address can have a port. An IPv4 address in IPv6 (`::ffff:192.0.2.1`) is returned as IPv4. If a trusted
/// proxy has added something else, such as `unknown`, the proxy's own address is returned.
///
/// # Examples
///
/// A column with the client's address, behind a proxy on the same machine:
///
/// ```
/// # mod session {
/// # use sea_orm::entity::prelude::*;
/// # use session_store::SessionModel;
/// use std::net::SocketAddr;
///
/// use axum::extract::ConnectInfo;
/// use axum::http::request::Parts;
///
/// fn address(request: &Parts) -> Option<String> {
///     let ConnectInfo(peer) = request.extensions.get::<ConnectInfo<SocketAddr>>()?;
///     let is_proxy = |address: std::net::IpAddr| address.is_loopback();
///     let client = session_store::client_address(peer.ip(), &request.headers, is_proxy);
///     Some(client.to_string())
/// }
///
/// # #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
/// # #[sea_orm(table_name = "session")]
/// pub struct Model {
///     // …
/// #   #[sea_orm(primary_key, auto_increment = false)]
/// #   pub sid: String,
/// #   pub sess: Json,
/// #   pub expire: TimeDateTimeWithTimeZone,
///     #[session(request = address)]
///     pub address: Option<String>,
/// }
/// # #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// # pub enum Relation {}
/// # impl ActiveModelBehavior for ActiveModel {}
/// # }
/// ```
///
/// axum knows the peer if it is served with `into_make_service_with_connect_info::<SocketAddr>()`.
#[must_use]
pub fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut added = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let mut address = peer.to_canonical();
    while is_trusted(address)
        && let Some(before) = added.next().and_then(parse)
    {
        address = before;
    }
    address
}

/// Parses an address, with or without a port.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let in_brackets = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = in_brackets.unwrap_or(text).parse();
    let address = address.or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, HeaderValue};

    use super::client_address;

    const PEER: &str = "10.0.0.1";

    fn client(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append("x-forwarded-for", line);
        }
        // Proxies are in 10.0.0.0/8.
        let is_trusted =
            |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
        client_address(peer.parse().unwrap(), &headers, is_trusted).to_string()
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        for (lines, expected) in [
            (&["192.0.2.7"] as &[_], "192.0.2.7"),
            (&["192.0.2.7, 10.0.0.3,10.0.0.2"], "192.0.2.7"),
            (&["192.0.2.7", "10.0.0.3", "10.0.0.2"], "192.0.2.7"),
            // All are proxies.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&[], PEER),
        ] {
            assert_eq!(client(PEER, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_the_client_has_sent_is_not_believed() {
        // Whatever is to the left of an address that is no proxy.
        for lines in [
            &["203.0.113.9, 192.0.2.7"] as &[_],
            &["10.0.0.9, 192.0.2.7"],
            &["203.0.113.9", "10.0.0.9, 192.0.2.7", "10.0.0.2"],
            &["', 192.0.2.7", "10.0.0.2"],
        ] {
            assert_eq!(client(PEER, lines), "192.0.2.7", "{lines:?}");
        }
        // A peer that is no proxy.
        assert_eq!(client("192.0.2.7", &["203.0.113.9"]), "192.0.2.7");
        assert_eq!(client("::ffff:192.0.2.7", &["203.0.113.9"]), "192.0.2.7");
    }

    #[test]
    fn an_address_is_read_in_every_form_that_proxies_write() {
        for (text, expected) in [
            ("192.0.2.7:5678", "192.0.2.7"),
            (" 192.0.2.7\t", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:5678", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:10.0.0.3", "10.0.0.3"),
        ] {
            assert_eq!(client(PEER, &[text]), expected, "{text}");
        }
        assert_eq!(client("::ffff:10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        for text in [
            "",
            ",",
            "unknown",
            "_hidden",
            "192.0.2.7.1",
            "192.0.2.7:",
            "[2001:db8::7",
            "ä",
            "192.0.2.7 10.0.0.2",
        ] {
            assert_eq!(client(PEER, &["203.0.113.9", text]), PEER, "{text}");
        }
    }
}
