//! A server on this machine that does what a test wants.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bias_hosted::{Address, Protocol, Setup};
use serde_json::{Value, json};

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// From 0.
    pub number: usize,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// What a server does with a request.
#[derive(Debug, Clone)]
pub enum Does {
    /// Answers with a status, headers and a body.
    Says(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Sends these bytes as they are, with a pause before each part, and closes the connection.
    Raw(Vec<(Duration, Vec<u8>)>),
    /// Closes the connection without a word.
    Closes,
}

impl Does {
    pub fn json(body: &Value) -> Self {
        Self::Says(200, Vec::new(), body.to_string().into_bytes())
    }

    pub fn status(status: u16, message: &str) -> Self {
        let body = json!({"error": {"message": message}}).to_string().into_bytes();
        Self::Says(status, Vec::new(), body)
    }
}

pub struct Server {
    pub at: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

type Handler = dyn Fn(&Request) -> Does + Send + Sync;

impl Server {
    pub fn new(handler: impl Fn(&Request) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (handler, kept): (Arc<Handler>, _) = (Arc::new(handler), requests.clone());
        let count = Arc::new(AtomicUsize::new(0));
        // It ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, kept, count) = (handler.clone(), kept.clone(), count.clone());
                std::thread::spawn(move || {
                    // A client may close the connection whenever it wants.
                    drop(serve(&stream, &*handler, &kept, &count));
                });
            }
        });
        Self { at, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn address(&self) -> Address {
        Address::parse(&format!("http://{}", self.at)).unwrap()
    }

    /// A model of this server.
    pub fn setup(&self) -> Setup {
        Setup::new(self.address(), Protocol::Openai, "fake")
    }
}

fn serve(
    stream: &TcpStream,
    handler: &Handler,
    kept: &Mutex<Vec<Request>>,
    count: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let number = count.fetch_add(1, Ordering::SeqCst);
        let request = Request { number, path, headers, body };
        kept.lock().unwrap().push(request.clone());
        match handler(&request) {
            Does::Says(status, headers, body) => {
                let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    text += &format!("{name}: {value}\r\n");
                }
                out.write_all(format!("{text}\r\n").as_bytes())?;
                out.write_all(&body)?;
            }
            Does::Raw(parts) => {
                for (pause, bytes) in parts {
                    std::thread::sleep(pause);
                    out.write_all(&bytes)?;
                }
                return stream.shutdown(std::net::Shutdown::Both);
            }
            Does::Closes => return stream.shutdown(std::net::Shutdown::Both),
        }
    }
}
