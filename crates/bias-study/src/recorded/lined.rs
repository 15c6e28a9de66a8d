use std::collections::VecDeque;
use std::io::{self, Read};

use super::limits::TooLong;

/// A reader that knows on which line each row of a CSV file begins, however the lines end, and where
/// a text between quotes was opened. It refuses rows without end.
pub(super) struct Lined<R> {
    inner: R,
    /// The most bytes of a row, and of a file.
    most: [u64; 2],
    /// The bytes that were handed on.
    passed: u64,
    /// The place of the last row that was taken.
    taken: u64,
    line: u64,
    before: u8,
    /// Where lines with something on them begin outside of quotes, and their numbers.
    starts: VecDeque<(u64, u64)>,
    quotes: Quotes,
}

/// What is open.
#[derive(Default)]
struct Quotes {
    /// The line on which a text between quotes began.
    opened: Option<u64>,
    /// Whether the byte before was a quote in such a text, which ends it or is half of two.
    half: bool,
    /// Whether a cell begins here.
    begins: bool,
}

impl<R: Read> Lined<R> {
    pub(super) fn new(inner: R, most: [u64; 2]) -> Self {
        let quotes = Quotes { begins: true, ..Quotes::default() };
        let (passed, taken, line) = (0, 0, 1);
        Self { inner, most, passed, taken, line, before: b'\n', starts: VecDeque::new(), quotes }
    }

    /// The line of the row that the CSV reader found behind this place; it counts the end of the line
    /// before, and empty lines, to the row. Rows are asked for in their order.
    pub(super) fn line_of_row(&mut self, place: u64) -> u64 {
        while self.starts.front().is_some_and(|(start, _)| *start < place) {
            self.starts.pop_front();
        }
        self.taken = place;
        self.starts.pop_front().map_or(self.line, |(_, line)| line)
    }

    /// The line on which the row begins that is being read.
    pub(super) fn line(&self) -> u64 {
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }

    /// The line on which a text between quotes began that has not ended, once all is read.
    pub(super) fn open_quote(&self) -> Option<u64> {
        self.quotes.opened.filter(|_| !self.quotes.half)
    }

    fn look(&mut self, byte: u8) {
        // `\r\n` is one end.
        if self.before == b'\r' && byte != b'\n' || self.before == b'\n' && self.passed > 0 {
            self.line += 1;
        }
        let ends = matches!(byte, b'\r' | b'\n');
        let first = matches!(self.before, b'\r' | b'\n') && !ends;
        let quotes = &mut self.quotes;
        if quotes.half {
            quotes.half = false;
            if byte != b'"' {
                quotes.opened = None;
            }
        } else if byte == b'"' && quotes.opened.is_some() {
            quotes.half = true;
        }
        if first && quotes.opened.is_none() {
            self.starts.push_back((self.passed, self.line));
        }
        if byte == b'"' && quotes.opened.is_none() && quotes.begins {
            quotes.opened = Some(self.line);
        }
        quotes.begins = quotes.opened.is_none() && (ends || byte == b',');
        self.before = byte;
        self.passed += 1;
    }
}

impl<R: Read> Read for Lined<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let [row, file] = self.most;
        if self.passed - self.taken > row {
            return Err(io::Error::other(TooLong::Row { most: row }));
        }
        if self.passed > file {
            return Err(io::Error::other(TooLong::File { most: file }));
        }
        let count = self.inner.read(buffer)?;
        buffer.iter().take(count).for_each(|byte| self.look(*byte));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: [u64; 2] = [1 << 20; 2];

    /// The lines on which rows begin, and the open quote.
    fn rows(text: &str, buffer: usize) -> (Vec<u64>, Option<u64>) {
        let lined = Lined::new(text.as_bytes(), MOST);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(buffer)
            .from_reader(lined);
        let (mut found, mut record) = (Vec::new(), csv::ByteRecord::new());
        while reader.read_byte_record(&mut record).unwrap() {
            let place = record.position().unwrap().byte();
            found.push(reader.get_mut().line_of_row(place));
        }
        (found, reader.get_ref().open_quote())
    }

    #[test]
    fn rows_are_on_the_lines_that_an_editor_shows() {
        // A cell over two lines, with a quote in it, empty lines, and rows behind all that.
        let text = "a,b|1,\"2|x\"|\"x\"\"|y\",3|||5,6|7,8|";
        for end in ["\n", "\r\n", "\r"] {
            for buffer in [1, 3, 4096] {
                let found = rows(&text.replace('|', end), buffer);
                assert_eq!(found, (vec![1, 2, 4, 8, 9], None), "{end:?}, {buffer}");
            }
        }
    }

    #[test]
    fn a_text_that_does_not_end_is_told_by_its_line() {
        assert_eq!(rows("a,b\n1,2\n3,\"4\n5,6\n", 2).1, Some(3));
        assert_eq!(rows("a,b\n1,\"2\"", 2).1, None);
        assert_eq!(rows("a,b\n1,2\"\n", 2).1, None, "a quote within a cell is one");
        let mut lined = Lined::new(&[b'x'; 5000][..], [1000, 1 << 20]);
        let error = io::copy(&mut lined, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("a row"), "{error}");
    }

    proptest! {
        /// As many ends of lines stand before a row as its line says, whatever is read at a time.
        #[test]
        fn lines_are_counted_whatever_the_text(text in "[a,\"\n\r ]{0,60}", buffer in 1usize..9) {
            let (whole, pieces) = (rows(&text, 4096), rows(&text, buffer));
            prop_assert_eq!(&whole, &pieces);
            let ends = text.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count() as u64;
            prop_assert!(whole.0.iter().all(|line| *line <= ends + 1));
            prop_assert!(whole.0.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
