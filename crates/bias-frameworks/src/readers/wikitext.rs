use serde::Deserialize;

use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;
use crate::items::item::{Item, Texts};
use crate::items::labels::Labels;

#[derive(Deserialize)]
struct Row {
    page: String,
}

/// WikiText: JSON lines with `page`, or the raw text (`wiki.test.raw`), cut at the titles of
/// articles. A page is normalised as in lm-evaluation-harness; words and bytes are counted before.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let pages: Vec<(u64, String)> = if file.text.trim_start().starts_with('{') {
        file.json_lines::<Row>()?.into_iter().map(|(line, row)| (line, row.page)).collect()
    } else {
        pages(&file.text)
    };
    if !file.text.trim_start().starts_with('{') && pages.len() < 2 && !titled(&file.text) {
        return Err(file.bad(Some(1), "it has neither pages in JSON nor a title such as ` = A = `"));
    }
    let mut found = Found::default();
    for (line, page) in pages {
        found.items.push(Item {
            id: line.to_string(),
            cluster: line.to_string(),
            labels: Labels::Document { words: words(&page), bytes: page.len() },
            texts: Texts::Whole(normalised(&page)),
        });
    }
    Ok(found)
}

fn titled(text: &str) -> bool {
    text.lines().any(is_title)
}

/// A title of an article, and not of a section.
fn is_title(line: &str) -> bool {
    let line = line.replace("= = =", "===").replace("= =", "==");
    let line = line.trim();
    line.starts_with("= ") && line.ends_with(" =")
}

/// The articles of the raw text, each with its title and the line that it begins on.
fn pages(text: &str) -> Vec<(u64, String)> {
    let mut pages: Vec<(u64, Vec<&str>)> = vec![(1, Vec::new())];
    for (number, line) in (1..).zip(text.split('\n')) {
        if is_title(line) {
            pages.push((number, Vec::new()));
        }
        if let Some((_, lines)) = pages.last_mut() {
            lines.push(line);
        }
    }
    let joined = pages.into_iter().map(|(number, lines)| (number, lines.join("\n")));
    joined.filter(|(_, page)| !page.trim().is_empty()).collect()
}

/// `len(re.split(r"\s+", text))`: an empty word before a space at the start, and after one at the
/// end.
fn words(text: &str) -> usize {
    let mut gaps = 0;
    let mut within = false;
    for letter in text.chars() {
        gaps += usize::from(letter.is_whitespace() && !within);
        within = letter.is_whitespace();
    }
    gaps + 1
}

/// What lies between two marks, without the spaces at its ends: from each opening mark to the next
/// closing one.
fn tightened(text: &str, open: char, close: char) -> String {
    let mut own = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(open) {
        let behind = &rest[start + open.len_utf8()..];
        let Some(end) = behind.find(close) else { break };
        own.push_str(&rest[..start]);
        own.push(open);
        own.push_str(behind[..end].trim());
        own.push(close);
        rest = &behind[end + close.len_utf8()..];
    }
    own.push_str(rest);
    own
}

/// `wikitext_detokenizer` of lm-evaluation-harness.
fn normalised(page: &str) -> String {
    let mut own = page.replace("s '", "s'");
    for digit in '0'..='9' {
        // The harness writes the pattern itself there.
        own = own.replace(&format!("/' {digit}/"), "/'[0-9]/");
    }
    for (from, to) in [
        (" @-@ ", "-"),
        (" @,@ ", ","),
        (" @.@ ", "."),
        (" : ", ": "),
        (" ; ", "; "),
        (" . ", ". "),
        (" ! ", "! "),
        (" ? ", "? "),
        (" , ", ", "),
    ] {
        own = own.replace(from, to);
    }
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}'), ('"', '"'), ('\'', '\'')] {
        own = tightened(&own, open, close);
    }
    for (from, to) in [
        ("= = = =", "===="),
        ("= = =", "==="),
        ("= =", "=="),
        (" ° ", "°"),
        (" \n", "\n"),
        ("\n ", "\n"),
        (" N ", " 1 "),
        (" 's", "'s"),
    ] {
        own = own.replace(from, to);
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_as_python_splits_them() {
        assert_eq!([words(""), words("a"), words(" a  b\n"), words("a b")], [1, 1, 4, 2]);
    }

    #[test]
    fn articles_begin_at_their_titles() {
        let text = " \n = A = \n\n text \n = = B = = \n more \n = C = \n end";
        let found = pages(text);
        assert_eq!(found.len(), 2);
        assert!(found[0].1.contains("= = B = =") && found[0].0 == 2, "{found:?}");
    }
}
