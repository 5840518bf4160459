//! The handshake that makes an HTTP request a WebSocket (RFC 6455, 4.2).
//!
//! Clients in the field are served as they are: keys of any length, no subprotocol, extensions
//! that are offered and not taken; and the answer is one write that begins as the oldest of them
//! look for it, with `sec-websocket-accept` in lower case.

use std::{borrow::Cow, net::IpAddr};

use httparse::{EMPTY_HEADER, Header, Request, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{
    hooks::Upgrade,
    listener::{Origins, Served},
    peer::Caller,
};

/// Where MQTT is, as everywhere else.
const PATH: &str = "/mqtt";
/// What MQTT in WebSocket messages is called, now and by older clients (MQTT 5, 6).
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// Bytes of a request; signed ones have two thousand.
const MAX_REQUEST: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;

/// A request that is not the beginning of a WebSocket.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Refused {
    status: &'static str,
    /// Header lines for this status, each with its end.
    headers: &'static str,
    what: Cow<'static, str>,
}

/// What a request has led to.
pub(crate) enum Upgraded {
    /// A WebSocket; what was read behind the request.
    WebSocket(Vec<u8>),
    /// Nothing: it is not about MQTT, and others may answer it. What was read.
    Other(Vec<u8>),
}

/// What a request is about.
enum Asked<'a> {
    /// A WebSocket, which is given with this answer to whoever `Upgrade` describes.
    WebSocket {
        target: &'a str,
        headers: Vec<(&'a str, &'a str)>,
        answer: String,
    },
    /// Something that others serve.
    Other,
}

/// Answers the request that `request` begins with and the rest of which is read from `stream`;
/// what was read behind it comes back. The error says why the client was refused.
pub(crate) async fn upgrade<S>(
    stream: &mut S,
    mut request: Vec<u8>,
    caller: &mut Caller,
    served: &Served,
) -> Result<Upgraded, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let lost = |_| "the connection was lost";
    loop {
        match decide(&request, caller, served) {
            Ok(Step::Read) => {}
            Ok(Step::Leave) => return Ok(Upgraded::Other(request)),
            Ok(Step::Answer { answer, length }) => {
                stream.write_all(answer.as_bytes()).await.map_err(lost)?;
                stream.flush().await.map_err(lost)?;
                return Ok(Upgraded::WebSocket(request.split_off(length)));
            }
            Err(refused) => {
                let answer = refused.answer();
                stream.write_all(answer.as_bytes()).await.map_err(lost)?;
                stream.shutdown().await.map_err(lost)?;
                // Closing with something unread would take the answer back.
                let mut scrap = [0; 256];
                while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
                return Err(refused.what.into_owned());
            }
        }
        request.reserve(MAX_REQUEST / 8);
        if stream.read_buf(&mut request).await.map_err(lost)? == 0 {
            return Err("the peer closed the connection before CONNECT".to_owned());
        }
    }
}

/// What is to be done about what was read of a request.
enum Step {
    /// Not all of it is there.
    Read,
    /// This answer makes it a WebSocket; the request has `length` bytes.
    Answer { answer: String, length: usize },
    /// It is for others.
    Leave,
}

/// What is to be done about the request that `bytes` begin with.
fn decide(bytes: &[u8], caller: &mut Caller, served: &Served) -> Result<Step, Refused> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let others = served.gate.web.is_some();
    let pages = Pages {
        origins: &served.config.origins,
        are_secure: served.gate.secure.is_some(),
    };
    let Some((asked, length)) = read(bytes, &mut headers, pages, others)? else {
        return Ok(Step::Read);
    };
    let Asked::WebSocket {
        target,
        headers,
        answer,
    } = asked
    else {
        return Ok(Step::Leave);
    };
    let upgrade = Upgrade {
        target,
        headers: &headers,
        peer: caller.peer,
        principal: caller.principal.as_ref(),
    };
    let upgraded = served.core.hooks.upgrade(&upgrade);
    caller.principal = upgraded.map_err(Refused::forbidden)?;
    Ok(Step::Answer { answer, length })
}

/// Reads the request that `bytes` begin with and its length, when it is there whole.
fn read<'a>(
    bytes: &'a [u8],
    headers: &'a mut [Header<'a>],
    pages: Pages<'_>,
    others: bool,
) -> Result<Option<(Asked<'a>, usize)>, Refused> {
    let mut request = Request::new(headers);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < MAX_REQUEST => return Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(_) => return Err(MALFORMED),
    };
    let target = request.path.unwrap_or_default();
    let is_here = target.split('?').next() == Some(PATH);
    if !is_here && others {
        return Ok(Some((Asked::Other, length)));
    }
    if request.method != Some("GET") {
        return Err(NOT_GET);
    }
    if !is_here {
        return Err(NOT_FOUND);
    }
    let (key, subprotocol) = check(&request, pages)?;
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\n\
         upgrade: websocket\r\n\
         connection: upgrade\r\n\
         sec-websocket-accept: {}\r\n",
        derive_accept_key(key)
    );
    if let Some(subprotocol) = subprotocol {
        answer += &format!("sec-websocket-protocol: {subprotocol}\r\n");
    }
    answer += "\r\n";
    let texts = request.headers.iter().filter_map(|header| {
        let value = std::str::from_utf8(header.value).ok()?;
        Some((header.name, value.trim_ascii()))
    });
    let asked = Asked::WebSocket {
        target,
        headers: texts.collect(),
        answer,
    };
    Ok(Some((asked, length)))
}

/// The key and the subprotocol of a request for a WebSocket.
fn check<'a>(
    request: &'a Request<'_, '_>,
    pages: Pages<'_>,
) -> Result<(&'a [u8], Option<&'a str>), Refused> {
    let has = |name, wanted: &str| {
        let mut items = items(request, name);
        items.any(|item| item.eq_ignore_ascii_case(wanted))
    };
    if request.version != Some(1) || !has("upgrade", "websocket") || !has("connection", "upgrade") {
        return Err(NO_UPGRADE);
    }
    if !has("sec-websocket-version", "13") {
        return Err(OTHER_VERSION);
    }
    let key = values(request, "sec-websocket-key").next();
    let key = key.filter(|key| !key.is_empty()).ok_or(NO_KEY)?;
    if !pages.welcome(request) {
        return Err(OTHER_ORIGIN);
    }
    // Whoever offers none gets none: not by the book [MQTT-6.0.0-3], but they are in the field.
    let mut offered = items(request, "sec-websocket-protocol").peekable();
    let offers = offered.peek().is_some();
    let subprotocol = offered.find(|offer| SUBPROTOCOLS.contains(offer));
    if offers && subprotocol.is_none() {
        return Err(OTHER_SUBPROTOCOL);
    }
    Ok((key, subprotocol))
}

/// Which web pages may connect.
#[derive(Clone, Copy)]
struct Pages<'a> {
    origins: &'a Origins,
    /// Whether they have seen a certificate for the host.
    are_secure: bool,
}

impl Pages<'_> {
    /// Whether the page that a request comes from, if it says that it comes from one, may connect.
    fn welcome(self, request: &Request<'_, '_>) -> bool {
        let Origins::Listed(listed) = self.origins else {
            return true;
        };
        let host = values(request, "host").next().unwrap_or_default();
        let has_own = self.are_secure || is_nobody_elses(host);
        let mut sent = values(request, "origin");
        sent.all(|origin| {
            let scheme = origin.iter().position(|byte| *byte == b':');
            let own = scheme.and_then(|colon| origin[colon + 1..].strip_prefix(b"//"));
            let is = |other: &String| origin.eq_ignore_ascii_case(other.as_bytes());
            has_own && own.is_some_and(|own| own.eq_ignore_ascii_case(host))
                || listed.iter().any(is)
        })
    }
}

/// Whether a host is an address or has a name that the Internet has not given to anybody: others
/// can have their own name lead here, and a page from there comes from this host and port, too.
fn is_nobody_elses(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else {
        return false;
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    let is_address = |name: &str| name.parse::<IpAddr>().is_ok();
    let bracketed = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let domain = name.rsplit_once('.').map(|(_, last)| last);
    bracketed.is_some_and(is_address)
        || is_address(name)
        || domain.is_none_or(|last| {
            let mut reserved = ["local", "localhost", "internal"].into_iter();
            reserved.any(|own| own.eq_ignore_ascii_case(last))
        })
}

/// The values of a header, without the space around them.
fn values<'a>(request: &'a Request<'_, '_>, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let headers = request.headers.iter();
    let named = headers.filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| header.value.trim_ascii())
}

/// The items of a header that is a list.
fn items<'a>(request: &'a Request<'_, '_>, name: &'static str) -> impl Iterator<Item = &'a str> {
    let texts = values(request, name).filter_map(|value| std::str::from_utf8(value).ok());
    let items = texts.flat_map(|text| text.split(','));
    items.map(str::trim).filter(|item| !item.is_empty())
}

impl Refused {
    /// Who may not have a WebSocket, for the reason that `what` says.
    fn forbidden(what: String) -> Refused {
        Refused {
            status: "403 Forbidden",
            headers: "",
            what: Cow::Owned(what),
        }
    }

    fn answer(&self) -> String {
        let Refused {
            status,
            headers,
            what,
        } = self;
        let length = what.len() + 1;
        format!(
            "HTTP/1.1 {status}\r\n{headers}content-type: text/plain\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{what}\n"
        )
    }
}

const MALFORMED: Refused = Refused {
    status: "400 Bad Request",
    headers: "",
    what: Cow::Borrowed("this is no request in HTTP"),
};
const TOO_LARGE: Refused = Refused {
    status: "431 Request Header Fields Too Large",
    headers: "",
    what: Cow::Borrowed("the request has more than 8 KiB or 64 headers"),
};
const NOT_GET: Refused = Refused {
    status: "405 Method Not Allowed",
    headers: "allow: GET\r\n",
    what: Cow::Borrowed("a WebSocket begins with GET"),
};
const NOT_FOUND: Refused = Refused {
    status: "404 Not Found",
    headers: "",
    what: Cow::Borrowed("MQTT over WebSocket is at /mqtt and nothing is anywhere else"),
};
const NO_UPGRADE: Refused = Refused {
    status: "426 Upgrade Required",
    headers: "upgrade: websocket\r\n",
    what: Cow::Borrowed(
        "here is MQTT over WebSocket: ask in HTTP/1.1 with `Connection: upgrade` and \
           `Upgrade: websocket`",
    ),
};
const OTHER_VERSION: Refused = Refused {
    status: "426 Upgrade Required",
    headers: "upgrade: websocket\r\nsec-websocket-version: 13\r\n",
    what: Cow::Borrowed("the version of WebSocket is 13, in `Sec-WebSocket-Version`"),
};
const NO_KEY: Refused = Refused {
    status: "400 Bad Request",
    headers: "",
    what: Cow::Borrowed("`Sec-WebSocket-Key` is missing"),
};
const OTHER_SUBPROTOCOL: Refused = Refused {
    status: "400 Bad Request",
    headers: "",
    what: Cow::Borrowed("none of the subprotocols in `Sec-WebSocket-Protocol` is mqtt or mqttv3.1"),
};
const OTHER_ORIGIN: Refused = Refused {
    status: "403 Forbidden",
    headers: "",
    what: Cow::Borrowed(
        "pages of this origin may not connect; the listener's `origins` say which may",
    ),
};

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /mqtt HTTP/1.1\r\nHost: gateway:1883\r\nUpgrade: websocket\r\n\
                        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                        Sec-WebSocket-Protocol: chat, mqtt\r\n\r\n";

    fn listed(origins: &[&str]) -> Origins {
        Origins::Listed(origins.iter().map(|origin| (*origin).to_owned()).collect())
    }

    fn answer_to(request: &str) -> Result<String, Refused> {
        let answered = answer(request.as_bytes(), &Origins::default())?;
        Ok(answered.expect("the request is whole").0)
    }

    /// The answer to a request for a WebSocket and its length, when it is there whole.
    fn answer(bytes: &[u8], origins: &Origins) -> Result<Option<(String, usize)>, Refused> {
        let are_secure = false;
        let pages = Pages {
            origins,
            are_secure,
        };
        answer_for(bytes, pages)
    }

    fn answer_for(bytes: &[u8], pages: Pages<'_>) -> Result<Option<(String, usize)>, Refused> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let read = read(bytes, &mut headers, pages, false)?;
        Ok(read.map(|(asked, length)| match asked {
            Asked::WebSocket { answer, .. } => (answer, length),
            Asked::Other => panic!("there are no others"),
        }))
    }

    #[test]
    fn the_answer_is_the_one_of_the_rfc_with_the_subprotocol_that_was_offered() {
        let expected = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                        connection: upgrade\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                        sec-websocket-protocol: mqtt\r\n\r\n";
        assert_eq!(answer_to(GOOD).as_deref(), Ok(expected));
        let older = GOOD.replace("chat, mqtt", "mqttv3.1, mqtt");
        assert_eq!(
            answer_to(&older),
            Ok(expected.replace(": mqtt\r", ": mqttv3.1\r"))
        );
        let none = GOOD.replace("Sec-WebSocket-Protocol: chat, mqtt\r\n", "");
        assert_eq!(
            answer_to(&none),
            Ok(expected.replace("sec-websocket-protocol: mqtt\r\n", ""))
        );
    }

    #[test]
    fn a_request_is_answered_when_its_last_byte_has_come_and_not_before() {
        let bytes = [GOOD.as_bytes(), b"\x82\x80"].concat();
        for end in 0..GOOD.len() {
            assert_eq!(answer(&bytes[..end], &Origins::default()), Ok(None));
        }
        let answered = answer(&bytes, &Origins::default()).unwrap().unwrap();
        assert_eq!(answered.1, GOOD.len());
    }

    #[test]
    fn a_signed_request_with_a_long_key_is_answered() {
        let request = GOOD
            .replace(
                "/mqtt ",
                "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=a ",
            )
            .replace("dGhlIHNhbXBsZSBub25jZQ==", &"BwcH".repeat(43));
        assert!(answer_to(&request).is_ok());
    }

    #[test]
    fn what_is_no_request_for_mqtt_over_websocket_is_told_what_is_wrong() {
        for (found, replaced, refused) in [
            ("GET /mqtt", "POST /mqtt", NOT_GET),
            ("/mqtt", "/", NOT_FOUND),
            ("/mqtt", "/mqtt/x", NOT_FOUND),
            ("HTTP/1.1", "HTTP/1.0", NO_UPGRADE),
            ("HTTP/1.1", "MQTT/5", MALFORMED),
            ("Upgrade: websocket", "Upgrade: h2c", NO_UPGRADE),
            ("keep-alive, Upgrade", "keep-alive", NO_UPGRADE),
            ("Version: 13", "Version: 8", OTHER_VERSION),
            ("dGhlIHNhbXBsZSBub25jZQ==", "", NO_KEY),
            ("chat, mqtt", "chat", OTHER_SUBPROTOCOL),
            (
                "Host:",
                &format!("{}Host:", "X: y\r\n".repeat(64)),
                TOO_LARGE,
            ),
            ("\r\n\r\n", &"x".repeat(MAX_REQUEST), TOO_LARGE),
        ] {
            let request = GOOD.replacen(found, replaced, 1);
            assert_eq!(answer_to(&request), Err(refused), "{request}");
        }
    }

    #[test]
    fn a_page_whose_host_was_made_to_lead_here_is_not_the_listeners_own() {
        let welcome = |host: &str, origins: &Origins, are_secure| {
            let own = format!("Origin: http://{host}\r\nHost: {host}");
            let request = GOOD.replace("Host: gateway:1883", &own);
            let pages = Pages {
                origins,
                are_secure,
            };
            answer_for(request.as_bytes(), pages).is_ok()
        };
        let none = listed(&[]);
        for host in [
            "127.0.0.1:1883",
            "[::1]:1883",
            "192.168.1.5",
            "localhost:1883",
            "gateway:1883",
            "gateway.local:1883",
        ] {
            assert!(welcome(host, &none, false), "{host}");
        }
        for host in [
            "example.org:1883",
            "127.0.0.1.example.org:1883",
            "local.example.org",
            "gateway.local.",
            "[example.org]:1883",
            "example.org:x",
        ] {
            assert!(!welcome(host, &none, false), "{host}");
            assert!(welcome(host, &none, true), "{host}");
        }
        let known = listed(&["http://example.org:1883"]);
        assert!(welcome("example.org:1883", &known, false));
    }

    #[test]
    fn pages_of_other_origins_may_connect_when_they_are_listed() {
        let request = |origin| GOOD.replace("Host", &format!("Origin: {origin}\r\nHost"));
        let is_welcome =
            |origin, origins: &Origins| match answer(request(origin).as_bytes(), origins) {
                Err(refused) if refused == OTHER_ORIGIN => false,
                answered => answered.unwrap().is_some(),
            };
        let none = listed(&[]);
        assert!(is_welcome("http://gateway:1883", &none));
        for other in ["http://gateway", "https://example.org", "null", ""] {
            assert!(!is_welcome(other, &none), "{other}");
            assert!(is_welcome(other, &Origins::Any), "{other}");
        }
        let dashboard = listed(&["https://dashboard.example"]);
        assert!(is_welcome("https://Dashboard.example", &dashboard));
        assert!(!is_welcome("http://dashboard.example", &dashboard));
    }
}
