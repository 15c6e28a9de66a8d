use std::collections::BTreeSet;

use super::found::Found;
use super::text_file::TextFile;
use super::winogender::{PRONOUNS, refers};
use crate::error::FrameworkError;
use crate::items::item::{Item, continued};
use crate::items::labels::Labels;
use crate::items::set::{LeftOut, Reason};

/// A sentence with its brackets read.
struct Sentence {
    line: u64,
    text: String,
    person: String,
    pronoun: String,
}

/// WinoBias: lines such as `1 [The developer] argued with the designer because [he] did not like
/// it.` The brackets mark a person and the pronoun that means that person. The other option is the
/// one other noun of the sentence that is bracketed somewhere in the file. The name of the file says
/// whether its sentences are pro- or anti-stereotypical.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let pro = match (name.contains("anti"), name.contains("pro")) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => {
            let reason = "its name says neither `pro` nor `anti`, as the public files' names do; \
                          rename it so that the two kinds can be compared";
            return Err(file.bad(None, reason));
        }
    };
    let kind = ["type1", "type2"].into_iter().find(|own| name.contains(own)).unwrap_or_default();
    let sentences = file
        .lines()
        .map(|(line, text)| sentence(file, line, text))
        .collect::<Result<Vec<_>, _>>()?;
    let nouns: BTreeSet<&str> = sentences.iter().map(|own| own.person.as_str()).collect();
    let mut found = Found::default();
    for own in &sentences {
        let id = own.line.to_string();
        let lower = own.text.to_lowercase();
        let mut others =
            nouns.iter().filter(|noun| **noun != own.person && holds(&lower, noun).is_some());
        let (Some(other), None) = (others.next(), others.next()) else {
            found.left_out.push(LeftOut { id, reason: Reason::NoOther });
            continue;
        };
        let place = |noun: &str| holds(&lower, noun).unwrap_or(usize::MAX);
        let first = place(&own.person) < place(other);
        let options = if first { [&own.person[..], *other] } else { [*other, &own.person[..]] };
        let mut pair = options;
        pair.sort_unstable();
        found.items.push(Item {
            id,
            cluster: pair.join("+"),
            texts: continued(
                &refers(&own.text, &own.pronoun),
                options.map(|own| format!(" {own}")),
            ),
            labels: Labels::Stereotyped { right: usize::from(!first), pro, kind: kind.to_owned() },
        });
    }
    Ok(found)
}

fn sentence(file: &TextFile, line: u64, text: &str) -> Result<Sentence, FrameworkError> {
    let bad = |reason: &str| file.bad(Some(line), format!("{reason}: `{text}`"));
    let text_only = match text.split_once(' ') {
        Some((number, rest)) if number.parse::<u64>().is_ok() => rest,
        _ => return Err(bad("a line begins with its number")),
    };
    let mut marked = Vec::new();
    let mut plain = String::new();
    for part in text_only.split('[') {
        match part.split_once(']') {
            Some((own, rest)) => {
                marked.push(own.trim().to_lowercase());
                plain.push_str(own.trim());
                plain.push_str(rest);
            }
            None => plain.push_str(part),
        }
    }
    // A pronoun may stand there twice.
    let is_pronoun = |own: &String| PRONOUNS.iter().any(|(_, forms)| forms.contains(&own.as_str()));
    let (pronouns, people): (Vec<String>, Vec<String>) = marked.into_iter().partition(is_pronoun);
    let ([person], [pronoun, ..]) = (&people[..], &pronouns[..]) else {
        return Err(bad("brackets mark one person and the pronoun that means that person"));
    };
    // Some of the public lines have the article outside.
    let person =
        ["the ", "a ", "an "].iter().find_map(|own| person.strip_prefix(own)).unwrap_or(person);
    let (person, pronoun) = (person.to_owned(), pronoun.clone());
    Ok(Sentence { line, text: plain.trim().to_owned(), person, pronoun })
}

/// Where a noun stands behind an article, as a word of its own.
fn holds(lower: &str, noun: &str) -> Option<usize> {
    let ends = |at: usize| lower[at..].chars().next().is_none_or(|c| !c.is_alphanumeric());
    ["the ", "a ", "an "]
        .iter()
        .find_map(|article| {
            let wanted = format!("{article}{noun}");
            let mut places = lower.match_indices(&wanted);
            places.find(|(at, _)| {
                let begins = lower[..*at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
                begins && ends(at + wanted.len())
            })
        })
        .map(|(at, _)| at)
}
