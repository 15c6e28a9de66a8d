//! How busy a server is kept, and how much memory many prompts take.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::{Failure, cost, finish};
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Decoding, Respond as _};
use bias_cli::args::values::at_least;
use bias_files::say;
use bias_hosted::{Address, Hosted, Protocol, Setup};
use clap::Parser;

/// Measures how busy a hosted model's server is kept, and how much memory many prompts take.
///
/// The server runs in this program, on this machine, and answers each request after a fixed time.
#[derive(Parser)]
struct Args {
    /// Requests on their way at once
    #[arg(long, default_value_t = 16, value_parser = at_least(1))]
    in_flight: usize,
    /// Milliseconds that the server takes
    #[arg(long, default_value_t = 50)]
    milliseconds: u64,
    /// Questions to measure the time with
    #[arg(long, default_value_t = 960)]
    questions: usize,
    /// Prompts to measure the memory with
    #[arg(long, default_value_t = 100_000)]
    prompts: usize,
}

const ANSWER: &str = r#"{"model":"fake","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"I would offer $450."}}],"usage":{"prompt_tokens":30,"completion_tokens":7}}"#;

fn serve(stream: &TcpStream, time: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut out) = (BufReader::new(stream.try_clone()?), stream);
    let mut line = String::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        std::thread::sleep(time);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER.len());
        out.write_all(format!("{head}{ANSWER}").as_bytes())?;
    }
}

fn server(time: Duration) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(serve(&stream, time)));
        }
    });
    Ok(at)
}

/// Asks so many different questions, and returns how long that took.
fn run(at: SocketAddr, in_flight: usize, questions: usize) -> Result<Duration, Failure> {
    let address = Address::parse(&format!("http://{at}"))?;
    let setup = Setup { in_flight, ..Setup::new(address, Protocol::Openai, "fake") };
    let folder = tempfile::tempdir()?;
    let model = Hosted::new(setup, Some(&folder.path().join("record.jsonl")))?;
    let prepare = |i: usize| {
        let message = format!(
            "Emily wants to sell me a bicycle that she has had for {i} days and used on most of them. \
             It cost $800 when it was new. What should I offer her, in dollars? Answer with a number."
        );
        let asked = Asked { message: &message, name: "Emily", prefix: None, raw: false };
        model.prepare(&asked, Wanted::Words, i as u64)
    };
    let questions = (0..questions).map(prepare).collect::<Result<Vec<_>, _>>()?;
    let started = Instant::now();
    let how = Decoding::Sampled { samples: 1, seed: 0 };
    let answers = model.respond(&questions, how, 1, &|_| {})?;
    let taken = started.elapsed();
    if answers.len() != questions.len() || answers.iter().any(|own| own.answers.len() != 1) {
        return Err("an answer is missing".into());
    }
    Ok(taken)
}

fn measure(args: &Args) -> Result<(), Failure> {
    let time = Duration::from_millis(args.milliseconds);
    let taken = run(server(time)?, args.in_flight, args.questions)?;
    let least = time.as_secs_f64() * args.questions as f64 / args.in_flight as f64;
    say!(
        "{} questions, {} at once, {} ms each: {:.2} s, the server is busy {:.1} % of the time",
        args.questions,
        args.in_flight,
        args.milliseconds,
        taken.as_secs_f64(),
        100.0 * least / taken.as_secs_f64()
    );
    let at = server(Duration::ZERO)?;
    // Threads and buffers are there before.
    run(at, args.in_flight, 100)?;
    let (taken, cost) = cost(|| run(at, args.in_flight, args.prompts));
    let mebibytes = cost.peak.map(|bytes| format!("{:.1} MiB", bytes as f64 / 1048576.0));
    say!(
        "{} prompts: {:.1} s, {} more than before",
        args.prompts,
        taken?.as_secs_f64(),
        mebibytes.unwrap_or_else(|| "an unknown size".into())
    );
    Ok(())
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(measure(&Args::parse()))
}
