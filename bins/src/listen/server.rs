//! Lets clients in until a signal comes, and sees them all off then.

use super::{
    address::Address,
    door::{Carrier, Door},
    socket_file::{self, SocketFile},
    stream::Stream,
    token::Token,
    unfinished::Unfinished,
    wire::{Reader, Writer},
};
use crate::exit;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{convert::Infallible, future::Future, io, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    time::sleep,
};

/// How many clients there may be at once.
const MOST_CLIENTS: u32 = 512;
/// How many more may be told that there is no room.
const MOST_REFUSED: usize = 64;
/// How many files may be open, where the system allows it: every client may have a thread whose command runs. Not more,
/// because commands inherit it and some old programs walk through all that could be open.
const FILES: u64 = 8192;
/// When to try again where the system gives no more sockets.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A place where clients can connect.
pub(super) struct Listener {
    socket: Socket,
    /// As a client would be told.
    pub(super) address: Address,
}

enum Socket {
    Unix(UnixListener, #[expect(dead_code, reason = "removes the file when it is dropped")] SocketFile),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) async fn bind(address: &Address) -> Result<Self, String> {
        match address {
            Address::Stdio => Err("standard input and output cannot be listened on".to_owned()),
            Address::Unix(path) => {
                let path = std::path::absolute(path).map_err(|error| format!("failed to find {address}: {error}"))?;
                let (listener, file) = socket_file::bind(&path).await?;
                Ok(Self { socket: Socket::Unix(listener, file), address: Address::Unix(path) })
            }
            Address::WebSocket(wanted) | Address::Tcp(wanted) => {
                let failed = |error: io::Error| format!("failed to listen on {address}: {error}");
                let listener = TcpListener::bind(wanted).await.map_err(failed)?;
                let real = listener.local_addr().map_err(failed)?;
                let address = match address {
                    Address::WebSocket(_) => Address::WebSocket(real),
                    _ => Address::Tcp(real),
                };
                Ok(Self { socket: Socket::Tcp(listener), address })
            }
        }
    }

    fn door(&self, protocol: &impl Protocol, token: Option<Token>) -> Door {
        let (carrier, place) = match self.address {
            Address::WebSocket(place) => (Carrier::WebSocket, Some(place)),
            Address::Tcp(place) => (Carrier::Lines, Some(place)),
            Address::Unix(_) | Address::Stdio => (protocol.carrier_of_unix_sockets(), None),
        };
        Door { carrier, token, place, unfinished: Unfinished::default(), refusal: protocol.refusal() }
    }

    async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Unix(listener, _) => Ok(listener.accept().await?.0.into()),
            Socket::Tcp(listener) => Ok(listener.accept().await?.0.into()),
        }
    }
}

/// What is spoken behind a door.
pub(crate) trait Protocol: Clone + 'static {
    fn carrier_of_unix_sockets(&self) -> Carrier;

    /// How a client is told, in a line, that it is not let in.
    fn refusal(&self) -> fn(&str) -> Vec<u8>;

    /// Speaks with a client until one of both goes; at once when `leaving` turns true. False if that is because there is
    /// nobody to speak with any more: a bug.
    fn converse(
        self,
        reader: Reader,
        writer: Writer,
        leaving: watch::Receiver<bool>,
    ) -> impl Future<Output = bool> + 'static;

    /// Ends everything that runs, while clients are still told of it.
    fn leave(&self) -> impl Future<Output = ()>;
}

/// Serves until a signal comes; gives back the exit code.
pub(super) async fn serve(listener: Listener, token: Option<Token>, protocol: impl Protocol) -> io::Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    allow_many_files();
    exit::warn(format_args!("listening on: {}", listener.address));
    let clients = Clients::default();
    let mut lost = clients.lost.subscribe();
    let code = tokio::select! {
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
        _ = lost.wait_for(|lost| *lost) => exit::INTERNAL,
        never = clients.let_in(&listener, token, &protocol) => match never {},
    };
    // Nobody comes in any more; the file is removed.
    drop(listener);
    // A second signal does not wait: the helpers end what still runs when this process is gone.
    tokio::select! {
        () = async {
            protocol.leave().await;
            clients.see_off().await;
        } => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(code)
}

/// Shells allow 1024, for programs that keep a descriptor in a bit set.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |most| most.min(FILES));
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
    {
        tracing::warn!(%error, "failed to raise the number of files that may be open");
    }
}

/// Everyone who is connected.
struct Clients {
    room: Arc<Semaphore>,
    refused: Arc<Semaphore>,
    leaving: watch::Sender<bool>,
    lost: Rc<watch::Sender<bool>>,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(MOST_CLIENTS as usize)),
            refused: Arc::new(Semaphore::new(MOST_REFUSED)),
            leaving: watch::Sender::new(false),
            lost: Rc::new(watch::Sender::new(false)),
        }
    }
}

impl Clients {
    async fn let_in(&self, listener: &Listener, token: Option<Token>, protocol: &impl Protocol) -> Infallible {
        let door = Rc::new(listener.door(protocol, token));
        loop {
            match listener.accept().await {
                Ok(stream) => self.attend(stream, door.clone(), protocol.clone()),
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
    }

    fn attend(&self, stream: Stream, door: Rc<Door>, protocol: impl Protocol) {
        let (room, full) = match self.room.clone().try_acquire_owned() {
            Ok(room) => (room, false),
            Err(_) => match self.refused.clone().try_acquire_owned() {
                Ok(room) => (room, true),
                Err(_) => return,
            },
        };
        let (mut leaving, lost) = (self.leaving.subscribe(), self.lost.clone());
        actix_rt::spawn(async move {
            let admitted = tokio::select! {
                admitted = door.admit(stream, full) => admitted,
                _ = leaving.wait_for(|leaving| *leaving) => None,
            };
            if let Some((reader, writer)) = admitted
                && !protocol.converse(reader, writer, leaving).await
            {
                lost.send_replace(true);
            }
            drop(room);
        });
    }

    /// Every conversation ends by itself once it is told to, and within a bounded time.
    async fn see_off(&self) {
        self.leaving.send_replace(true);
        let _all = self.room.acquire_many(MOST_CLIENTS).await;
    }
}
