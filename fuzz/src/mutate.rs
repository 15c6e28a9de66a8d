use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// No input is longer.
pub const LONGEST: usize = 256 << 10;

/// Numbers at which sizes, counts and signs turn.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    7,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    1 << 40,
    1 << 53,
    u64::MAX / 2,
    u64::MAX - 7,
    u64::MAX,
];

/// Words that mean something in one format or another.
const WORDS: [&str; 40] = [
    "null",
    "true",
    "-1",
    "NaN",
    "Infinity",
    "1e999",
    "-0.0",
    "1e-400",
    "0.5",
    "[]",
    "{}",
    "[[]]",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "é",
    "İ",
    "ß",
    "🏳️‍🌈",
    "\0",
    "\r\n",
    "\"",
    ",",
    ";",
    "|",
    "%",
    "$",
    "..",
    "../",
    "/dev/zero",
    "{{",
    "}}",
    "{%",
    "%}",
    "F64",
    "BF16",
    "U8",
    "L3H1",
];

/// A seed that is changed in one to eight places. The number decides all of it, so that the same
/// number gives the same input whenever it is asked for.
#[must_use]
pub fn mutated(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(number);
    let mut bytes = seeds.choose(&mut rng).cloned().unwrap_or_default();
    for _ in 0..1 << rng.random_range(0..4) {
        change(&mut bytes, seeds, &mut rng);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=bytes.len());
    let some = rng.random_range(1..=64);
    let end = (at + some).min(bytes.len());
    match rng.random_range(0..13) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = rng.random(),
        2 => drop(bytes.drain(at..end)),
        3 => bytes.truncate(at),
        4 => insert(bytes, at, &(0..some).map(|_| rng.random()).collect::<Vec<u8>>()),
        5 => {
            let again = bytes[at..end].repeat(rng.random_range(1..=32));
            insert(bytes, at, &again);
        }
        6 => {
            let other = seeds.choose(rng).cloned().unwrap_or_default();
            let from = rng.random_range(0..=other.len());
            let to = rng.random_range(from..=other.len());
            insert(bytes, at, &other[from..to]);
        }
        // A size in a header.
        7 | 8 => {
            let number = NUMBERS.choose(rng).copied().unwrap_or(0).to_le_bytes();
            let width = [1, 2, 4, 8].choose(rng).copied().unwrap_or(8);
            for (own, new) in bytes.iter_mut().skip(at).zip(number.iter().take(width)) {
                *own = *new;
            }
        }
        // A number in a text.
        9 | 10 => {
            let start = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|own| own + at);
            let Some(start) = start else { return };
            let len = bytes[start..].iter().take_while(|own| own.is_ascii_digit()).count();
            let number = NUMBERS.choose(rng).copied().unwrap_or(0).to_string();
            drop(bytes.splice(start..start + len, number.into_bytes()));
        }
        11 => {
            let word = WORDS.choose(rng).copied().unwrap_or("");
            drop(bytes.splice(at..end, word.bytes()));
        }
        _ => {
            let open = [b"[", b"{", b"(", b"<", b"-", b" ", b"9", b"\n"].choose(rng);
            insert(bytes, at, &open.map_or(&b"["[..], |own| &own[..]).repeat(1 << (some / 5)));
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    drop(bytes.splice(at..at, new.iter().copied()));
}
