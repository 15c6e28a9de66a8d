use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tungstenite::WebSocket;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::StatusCode;
use tungstenite::protocol::WebSocketConfig;

use super::Limits;
use crate::device::token::Token;

/// The time that a client may take for its whole handshake, and for its first message.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// The time that a client may take to read a part of what it is sent.
const READING: Duration = Duration::from_secs(60);

/// Connections beside those of clients that compute: handshakes, and questions whether there is
/// room.
const WAITING: usize = 16;

/// Answers that wait for their client to read them.
const ANSWERS: usize = 16;

/// What all connections share.
pub(super) struct Lobby {
    token: Token,
    pub(super) limits: Limits,
    connections: AtomicUsize,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    /// Clients that compute, or are about to say for which session they do.
    clients: usize,
    answers: HashMap<u64, Answers>,
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
        Arc::new(Self {
            token,
            limits,
            connections: AtomicUsize::new(0),
            sessions: Mutex::default(),
        })
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of one more connection, unless there are too many.
    pub(super) fn place(self: &Arc<Self>) -> Option<Place> {
        let most = self.limits.clients.saturating_mul(2).saturating_add(WAITING);
        let place = Place(Arc::clone(self));
        (self.connections.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }

    /// The seat of one more client, unless all are taken.
    fn seat(self: &Arc<Self>) -> Option<Seat> {
        let mut sessions = self.sessions();
        (sessions.clients < self.limits.clients).then(|| {
            sessions.clients += 1;
            Seat(Arc::clone(self))
        })
    }

    /// Where the answers of a session go; nothing if a client computes for it already.
    pub(super) fn claim(&self, session: u64) -> Option<SyncSender<Vec<u8>>> {
        let mut sessions = self.sessions();
        let own = sessions.answers.entry(session).or_insert_with(Answers::new);
        (!std::mem::replace(&mut own.claimed, true)).then(|| own.sender.clone())
    }

    /// Where the answers of a session come from; nothing if somebody hears them already.
    pub(super) fn hear(&self, session: u64) -> Option<Receiver<Vec<u8>>> {
        self.sessions().answers.entry(session).or_insert_with(Answers::new).receiver.take()
    }

    /// Whether a client computes for a session.
    pub(super) fn is_claimed(&self, session: u64) -> bool {
        self.sessions().answers.get(&session).is_some_and(|own| own.claimed)
    }

    pub(super) fn forget(&self, session: u64) {
        self.sessions().answers.remove(&session);
    }

    /// Does the handshake: what the connection is for, and the seat of a client that computes.
    #[allow(clippy::result_large_err)] // tungstenite's own type
    pub(super) fn accept(
        self: &Arc<Self>,
        stream: TcpStream,
    ) -> Option<(WebSocket<Timed>, Purpose, Option<Seat>)> {
        stream.set_nodelay(true).ok()?;
        stream.set_write_timeout(Some(READING)).ok()?;
        let (mut found, mut seat) = (None, None);
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
            if purpose != Purpose::Hear {
                let own = self.seat();
                if own.is_none() {
                    return refuse(StatusCode::SERVICE_UNAVAILABLE, "all places are taken");
                }
                // Who only looks has left the seat when it hears of it.
                seat = own.filter(|_| purpose == Purpose::Compute);
            }
            found = Some(purpose);
            Ok(response)
        };
        let most = Some(usize::try_from(self.limits.memory).unwrap_or(usize::MAX / 2));
        let sizes = WebSocketConfig::default().max_message_size(most).max_frame_size(most);
        let stream = Timed { stream, until: Some(Instant::now() + HANDSHAKE) };
        let socket = tungstenite::accept_hdr_with_config(stream, look, Some(sizes)).ok()?;
        Some((socket, found?, seat))
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

/// One of the connections that there may be.
pub(super) struct Place(Arc<Lobby>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One of the clients that there may be.
pub(super) struct Seat(Arc<Lobby>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.sessions().clients -= 1;
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
        let limits = Limits { clients, memory: 1 << 20, idle: HANDSHAKE };
        Lobby::new("0123456789abcdef".parse().unwrap(), limits)
    }

    #[test]
    fn places_and_seats_are_given_back() {
        let own = lobby(2);
        let seats: Vec<_> = (0..2).map(|_| own.seat().unwrap()).collect();
        assert!(own.seat().is_none());
        drop(seats);
        assert!(own.seat().is_some());
        let places: Vec<_> = (0..2 * 2 + WAITING).map(|_| own.place().unwrap()).collect();
        assert!(own.place().is_none() && own.place().is_none());
        drop(places);
        assert!(own.place().is_some());
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
        let mut timed = Timed { stream, until: Some(begun + Duration::from_millis(120)) };
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
