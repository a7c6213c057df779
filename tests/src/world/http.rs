//! A browser without a screen: one GET a connection, over HTTP/1.1 written by hand.

use super::PATIENCE;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The rest of the head.
    pub head: String,
    /// The text.
    pub body: String,
}

impl Page {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// Gets a page of this machine; redirections are not followed.
///
/// # Panics
/// If there is no answer.
pub async fn get(url: &str) -> Page {
    let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an http URL");
    request("GET", url, authority).await
}

/// The same with another method, or another name for the host.
///
/// # Panics
/// If there is no answer.
pub async fn request(method: &str, url: &str, host: &str) -> Page {
    let rest = url.strip_prefix("http://").expect("an http URL");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address = authority.replace("localhost", "127.0.0.1");
    let exchange = async {
        let mut stream = TcpStream::connect(&address).await?;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, exchange).await.unwrap_or_else(|_| panic!("no answer from {address}"));
    let answer = answer.unwrap_or_else(|error| panic!("{address}: {error}"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Page { status, head: head.to_owned(), body: body.to_owned() }
}

/// The parameters of a query or a form, decoded.
#[must_use]
pub fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decoded(k), decoded(v))).collect()
}

/// The value of a parameter of a URL.
#[must_use]
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    parameters(query).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.expect("two digits")));
                u8::from_str_radix(&String::from_iter(digits), 16).expect("hexadecimal digits")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// Escapes everything that could mean something in a URL.
#[must_use]
pub fn encoded(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
