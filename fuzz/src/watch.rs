//! Ends the program where an input does not end.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// No input takes longer.
pub const LIMIT: Duration = Duration::from_secs(1);

/// After this long, an input is said never to end. A busy machine takes its time.
const NEVER: Duration = Duration::from_secs(30);

static RUNNING: Mutex<Option<(&'static str, Instant)>> = Mutex::new(None);

/// Says that a target begins now.
pub fn begins(target: &'static str) {
    *RUNNING.lock().unwrap() = Some((target, Instant::now()));
}

/// Says that it has ended.
pub fn ends() {
    *RUNNING.lock().unwrap() = None;
}

/// Looks now and then, and ends the program with the input's name once it takes too long.
pub fn start(running: String) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(LIMIT);
            let late = RUNNING.lock().unwrap().filter(|(_, since)| since.elapsed() > NEVER);
            if let Some((target, since)) = late {
                let seconds = since.elapsed().as_secs();
                println!("FOUND {target}: {running} does not end within {seconds} s");
                std::process::exit(1);
            }
        }
    });
}
