//! Clients that connect: over sockets in the file system and over TCP.
//!
//! ```text
//!  Listener ──accept──▶ Door (room, origin, token) ──▶ converse: Reader ──▶ Client / Session
//!                                                                Writer ◀── Queue ◀── Sink
//! ```
//!
//! A connection is one task here: it reads, writes and waits for its end. What its client may do is decided behind it.

mod address;
mod door;
mod json_rpc;
mod protocol_v1;
mod queue;
mod server;
mod socket_file;
mod stream;
mod token;
mod unfinished;
mod upgrade;
mod wire;

pub(crate) use self::{
    address::Address,
    json_rpc::JsonRpc,
    protocol_v1::ProtocolV1,
    token::{Token, TokenArguments},
};

use self::server::{Listener, Protocol};
use crate::{
    exit,
    sources::{self, Configured},
};
use std::{io, process::ExitCode};

/// What a server needs before it can start: its configuration, and what its clients must know.
///
/// # Errors
/// The exit code, after the user was told why.
pub(crate) fn prepare(
    overrides: &[String],
    address: &Address,
    arguments: &TokenArguments,
) -> Result<(Configured, Option<Token>), ExitCode> {
    let token = token(address, arguments).map_err(exit::wrong_arguments)?;
    let mut configured = sources::configured(overrides).map_err(exit::cannot_start)?;
    if let Some(name) = &arguments.token_env {
        configured.hide(name);
    }
    Ok((configured, token))
}

fn token(address: &Address, arguments: &TokenArguments) -> Result<Option<Token>, String> {
    let token = Token::named_by(arguments)?;
    match &token {
        Some(_) if *address == Address::Stdio => {
            Err("a token is for clients that connect: it needs --listen with unix://, ws:// or tcp://".to_owned())
        }
        None if address.is_open_to_others() => Err(format!(
            "{address} can be reached by other machines: it needs --token-file or --token-env, or an address such as 127.0.0.1"
        )),
        _ => Ok(token),
    }
}

/// Serves until a signal comes.
pub(crate) async fn run(address: &Address, token: Option<Token>, protocol: impl Protocol) -> io::Result<ExitCode> {
    match Listener::bind(address).await {
        Ok(listener) => Ok(ExitCode::from(server::serve(listener, token, protocol).await?)),
        Err(why) => Ok(exit::cannot_start(why)),
    }
}
