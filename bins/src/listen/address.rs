//! Where clients connect.

use std::{fmt, net::SocketAddr, path::PathBuf};

/// What `--listen` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Standard input and output: one client, the process that started this one.
    Stdio,
    /// A socket in the file system, for its owner alone. An empty path is the usual place in llmx's home.
    Unix(PathBuf),
    /// WebSocket over TCP. Port 0 is any that is free.
    WebSocket(SocketAddr),
    /// Lines over TCP. Port 0 is any that is free.
    Tcp(SocketAddr),
}

impl Address {
    /// For `llmx app-server`.
    pub(crate) fn of_app_server(url: &str) -> Result<Self, String> {
        match Self::parse(url)? {
            Self::Tcp(_) => Err("expected stdio://, unix://PATH or ws://IP:PORT".to_owned()),
            address => Ok(address),
        }
    }

    /// For `llmx proto`.
    pub(crate) fn of_proto(url: &str) -> Result<Self, String> {
        match Self::parse(url)? {
            Self::WebSocket(_) => Err("expected stdio://, unix://PATH or tcp://IP:PORT".to_owned()),
            Self::Unix(path) if path.as_os_str().is_empty() => Err("expected a path, as in unix://PATH".to_owned()),
            address => Ok(address),
        }
    }

    fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("expected a URL such as stdio:// or unix://PATH")?;
        match scheme {
            "stdio" if rest.is_empty() => Ok(Self::Stdio),
            "unix" => Ok(Self::Unix(PathBuf::from(rest))),
            "ws" => Ok(Self::WebSocket(ip_and_port(rest)?)),
            "tcp" => Ok(Self::Tcp(ip_and_port(rest)?)),
            "wss" => Err("TLS is not spoken here: put a proxy that ends it in front of a ws:// address".to_owned()),
            _ => Err(format!("cannot listen on {scheme}://")),
        }
    }

    /// With `usual` where no path is given.
    pub(crate) fn or_usual(self, usual: impl FnOnce() -> PathBuf) -> Self {
        match self {
            Self::Unix(path) if path.as_os_str().is_empty() => Self::Unix(usual()),
            address => address,
        }
    }

    /// Whether other machines may reach it, so that everybody who connects must prove something.
    pub(crate) fn is_open_to_others(&self) -> bool {
        match self {
            Self::Stdio | Self::Unix(_) => false,
            Self::WebSocket(address) | Self::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        }
    }
}

fn ip_and_port(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    text.parse().map_err(|_| format!("`{text}` is not IP:PORT, such as 127.0.0.1:4500 or [::1]:0"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio => write!(f, "stdio://"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::WebSocket(address) => write!(f, "ws://{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_shown() {
        for url in ["stdio://", "unix:///run/llmx.sock", "unix://", "ws://127.0.0.1:4500", "ws://[::1]:0"] {
            assert_eq!(Address::of_app_server(url).map(|address| address.to_string()), Ok(url.to_owned()));
        }
        for url in ["stdio://", "unix://relative.sock", "tcp://127.0.0.1:0"] {
            assert_eq!(Address::of_proto(url).map(|address| address.to_string()), Ok(url.to_owned()));
        }
        assert_eq!(Address::of_app_server("ws://127.0.0.1:80/"), Address::of_app_server("ws://127.0.0.1:80"));
    }

    #[test]
    fn what_cannot_be_listened_on_is_refused() {
        for url in [
            "",
            "stdio",
            "stdio://x",
            "tcp://127.0.0.1:1",
            "ws://localhost:1",
            "ws://127.0.0.1",
            "wss://1.2.3.4:5",
            "http://1.2.3.4:5",
        ] {
            assert!(Address::of_app_server(url).is_err(), "{url}");
        }
        for url in ["ws://127.0.0.1:1", "unix://", "tcp://", "tcp://1.2.3.4:70000"] {
            assert!(Address::of_proto(url).is_err(), "{url}");
        }
    }

    #[test]
    fn only_loopback_is_closed_to_others() {
        let check = |url: &str, open: bool| {
            assert_eq!(Address::of_app_server(url).map(|address| address.is_open_to_others()), Ok(open), "{url}");
        };
        check("stdio://", false);
        check("unix:///run/llmx.sock", false);
        check("ws://127.0.0.1:1", false);
        check("ws://127.8.9.10:1", false);
        check("ws://[::1]:1", false);
        check("ws://[::ffff:127.0.0.1]:1", false);
        check("ws://0.0.0.0:1", true);
        check("ws://[::]:1", true);
        check("ws://192.168.1.7:1", true);
    }
}
