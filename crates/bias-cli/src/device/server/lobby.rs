use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tungstenite::WebSocket;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::StatusCode;
use tungstenite::protocol::WebSocketConfig;

use super::limits::Limits;
use crate::device::token::Token;

/// The time that a client may take for its whole handshake, and for its first message.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The time that a client may take to read a part of what it is sent.
const READING: Duration = Duration::from_secs(60);

/// The time after which a connection on which nothing is sent is looked after.
const ALIVE: Duration = Duration::from_secs(60);

/// Handshakes at the same time.
const HANDSHAKES: usize = 64;

/// Connections that wait for answers, beside one for each client: those that come before their
/// client, and those that have not noticed yet that it has left.
const MORE_EARS: usize = 4;

/// Answers that wait for their client to read them.
const ANSWERS: usize = 1;

/// The most bytes of a message before a client computes.
const GREETING: usize = 4096;

/// What all connections share.
pub(super) struct Lobby {
    token: Token,
    pub(super) limits: Limits,
    handshakes: Arc<AtomicUsize>,
    /// Clients that compute, or are about to say for which session they do.
    clients: Arc<AtomicUsize>,
    /// Connections that wait for answers.
    ears: Arc<AtomicUsize>,
    sessions: Mutex<HashMap<u64, Answers>>,
}

/// Answers from the connection that computes to the one that waits for them.
struct Answers {
    sender: SyncSender<Vec<u8>>,
    receiver: Option<Receiver<Vec<u8>>>,
    /// Whether a client computes for this session.
    claimed: bool,
}

impl Answers {
    fn new() -> Self {
        let (sender, receiver) = sync_channel(ANSWERS);
        Self { sender, receiver: Some(receiver), claimed: false }
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Sends operations.
    Compute,
    /// Waits for answers.
    Hear,
    /// Asks whether one more client has room.
    Look,
}

impl Lobby {
    pub(super) fn new(token: Token, limits: Limits) -> Arc<Self> {
        let count = Arc::<AtomicUsize>::default;
        let (handshakes, clients, ears) = (count(), count(), count());
        Arc::new(Self { token, limits, handshakes, clients, ears, sessions: Mutex::default() })
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u64, Answers>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of one more handshake, unless there are too many.
    pub(super) fn handshake(&self) -> Option<Place> {
        Place::take(&self.handshakes, HANDSHAKES)
    }

    /// The place of one more connection for a purpose, unless all are taken.
    fn place(&self, purpose: Purpose) -> Option<Place> {
        match purpose {
            Purpose::Compute => Place::take(&self.clients, self.limits.clients),
            Purpose::Hear => Place::take(&self.ears, self.limits.clients.saturating_add(MORE_EARS)),
            // Who only looks takes nothing away.
            Purpose::Look => (self.clients.load(Ordering::Relaxed) < self.limits.clients)
                .then(|| Place(Arc::new(AtomicUsize::new(1)))),
        }
    }

    /// Where the answers of a session go; nothing if a client computes for it already.
    pub(super) fn claim(&self, session: u64) -> Option<SyncSender<Vec<u8>>> {
        let mut sessions = self.sessions();
        let own = sessions.entry(session).or_insert_with(Answers::new);
        (!std::mem::replace(&mut own.claimed, true)).then(|| own.sender.clone())
    }

    /// Where the answers of a session come from; nothing if somebody hears them already.
    pub(super) fn hear(&self, session: u64) -> Option<Receiver<Vec<u8>>> {
        self.sessions().entry(session).or_insert_with(Answers::new).receiver.take()
    }

    /// Whether a client computes for a session.
    pub(super) fn is_claimed(&self, session: u64) -> bool {
        self.sessions().get(&session).is_some_and(|own| own.claimed)
    }

    pub(super) fn forget(&self, session: u64) {
        self.sessions().remove(&session);
    }

    /// Does the handshake: what the connection is for, and its place.
    #[allow(clippy::result_large_err)] // tungstenite's own type
    pub(super) fn accept(&self, stream: TcpStream) -> Option<(WebSocket<Timed>, Purpose, Place)> {
        stream.set_nodelay(true).ok()?;
        // A client that was switched off is noticed, and keeps no place.
        let alive = TcpKeepalive::new().with_time(ALIVE).with_interval(ALIVE);
        SockRef::from(&stream).set_tcp_keepalive(&alive).ok()?;
        stream.set_write_timeout(Some(READING)).ok()?;
        let mut found = None;
        let look = |request: &Request, response: Response| {
            let refuse = |status, why: &str| {
                let mut refusal = ErrorResponse::new(Some(why.into()));
                *refusal.status_mut() = status;
                Err(refusal)
            };
            // Browsers say where a page is from, and would let any page connect to this machine.
            if request.headers().contains_key("origin") {
                return refuse(StatusCode::FORBIDDEN, "not for browsers");
            }
            let Some(purpose) = self.purpose(request.uri().path()) else {
                return refuse(StatusCode::UNAUTHORIZED, "no such token");
            };
            let Some(place) = self.place(purpose) else {
                return refuse(StatusCode::SERVICE_UNAVAILABLE, "all places are taken");
            };
            found = Some((purpose, place));
            Ok(response)
        };
        let stream = Timed { stream, until: Some(Instant::now() + HANDSHAKE) };
        let sizes = Some(sizes(GREETING));
        let socket = tungstenite::accept_hdr_with_config(stream, look, sizes).ok()?;
        let (purpose, place) = found?;
        Some((socket, purpose, place))
    }

    /// What a path asks for, if it begins with the token.
    fn purpose(&self, path: &str) -> Option<Purpose> {
        let (token, route) = path.strip_prefix('/')?.split_once('/')?;
        let known =
            [("request", Purpose::Compute), ("response", Purpose::Hear), ("room", Purpose::Look)];
        let purpose = known.into_iter().find(|(own, _)| *own == route);
        purpose.filter(|_| self.token.is(token)).map(|(_, purpose)| purpose)
    }
}

/// The limits of a connection's messages.
pub(super) fn sizes(most: usize) -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most))
}

/// One of the places that there are, until it is dropped.
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let more = |own: usize| (own < most).then_some(own + 1);
        let took = taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        took.ok().map(|_| Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection on which everything that is read must have come by some time.
pub(super) struct Timed {
    stream: TcpStream,
    /// By when; if there is none, each part may take as long as was set last.
    until: Option<Instant>,
}

impl Timed {
    /// From now on, each part may take so long.
    pub(super) fn patient(&mut self, each: Option<Duration>) -> io::Result<()> {
        self.until = None;
        self.stream.set_read_timeout(each)
    }
}

impl Read for Timed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if let Some(until) = self.until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
        }
        self.stream.read(bytes)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn lobby(clients: usize) -> Arc<Lobby> {
        let limits = Limits { clients, ..Limits::default() };
        Lobby::new("0123456789abcdef".parse().unwrap(), limits)
    }

    #[test]
    fn places_are_given_back() {
        let own = lobby(2);
        let take = || own.place(Purpose::Compute);
        let taken: Vec<_> = (0..2).map(|_| take().unwrap()).collect();
        assert!(take().is_none() && own.place(Purpose::Look).is_none());
        drop(taken);
        drop(own.place(Purpose::Look).unwrap());
        let (_one, _other) = (take().unwrap(), take().unwrap());
        assert!(take().is_none());
        let taken: Vec<_> = (0..HANDSHAKES).map(|_| own.handshake().unwrap()).collect();
        assert!(own.handshake().is_none() && own.handshake().is_none());
        drop(taken);
        assert!(own.handshake().is_some());
    }

    #[test]
    fn a_session_has_one_client_and_one_listener() {
        let own = lobby(2);
        let sender = own.claim(7).unwrap();
        assert!(own.claim(7).is_none());
        let receiver = own.hear(7).unwrap();
        assert!(own.hear(7).is_none() && own.is_claimed(7) && !own.is_claimed(8));
        sender.send(vec![1]).unwrap();
        assert_eq!(receiver.recv().unwrap(), [1]);
        own.forget(7);
        assert!(!own.is_claimed(7) && own.claim(7).is_some(), "it begins anew");
    }

    /// Whoever sends a byte now and then keeps no thread for longer than the time for all.
    #[test]
    fn everything_must_have_come_by_some_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = listener.accept().unwrap().0;
        let begun = Instant::now();
        let mut timed = Timed { stream, until: Some(begun + Duration::from_millis(400)) };
        let mut came = 0;
        let error = loop {
            client.write_all(b"x").unwrap();
            match timed.read(&mut [0; 8]) {
                Ok(count) => came += count,
                Err(error) => break error,
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let kinds = [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock];
        assert!(came > 0 && kinds.contains(&error.kind()), "{came}, {error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        timed.patient(Some(Duration::from_millis(30))).unwrap();
        while timed.read(&mut [0; 8]).is_ok() {}
        client.write_all(b"y").unwrap();
        assert_eq!(timed.read(&mut [0; 8]).unwrap(), 1);
    }
}
