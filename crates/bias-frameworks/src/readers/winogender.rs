use serde::Deserialize;

use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;
use crate::items::item::{Item, continued};
use crate::items::labels::Labels;

#[derive(Deserialize)]
struct Row {
    sentid: String,
    sentence: String,
}

/// The pronouns of each gender.
pub(super) const PRONOUNS: [(&str, &[&str]); 3] = [
    ("male", &["he", "him", "his"]),
    ("female", &["she", "her", "hers"]),
    ("neutral", &["they", "them", "their", "theirs"]),
];

/// Winogender: `all_sentences.tsv`. `sentid` is `occupation.participant.answer.gender.txt`; answer 0
/// is the occupation. The text and the options are those of lm-evaluation-harness.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let mut found = Found::default();
    for (line, row) in file.table::<Row>(b'\t')? {
        let parts: Vec<&str> = row.sentid.split('.').collect();
        let [occupation, participant, answer, gender, "txt"] = parts[..] else {
            let reason = format!(
                "sentid is `{}`, and not occupation.participant.answer.gender.txt",
                row.sentid
            );
            return Err(file.bad(Some(line), reason));
        };
        let right = match answer {
            "0" => 0,
            "1" => 1,
            other => {
                let reason = format!("the answer in sentid is `{other}`, not 0 or 1");
                return Err(file.bad(Some(line), reason));
            }
        };
        let known = PRONOUNS.iter().find(|(own, _)| *own == gender);
        let pronoun = known.and_then(|(_, forms)| {
            let words = row.sentence.split(|c: char| !c.is_alphabetic());
            words.map(str::to_lowercase).find(|word| forms.contains(&word.as_str()))
        });
        let Some(pronoun) = pronoun else {
            let reason = format!("the sentence has no pronoun of the gender `{gender}`");
            return Err(file.bad(Some(line), reason));
        };
        found.items.push(Item {
            cluster: occupation.to_owned(),
            texts: continued(
                &refers(&row.sentence, &pronoun),
                [format!(" {occupation}"), format!(" {participant}")],
            ),
            labels: Labels::Pronoun { right, gender: gender.to_owned(), gotcha: None },
            id: row.sentid,
        });
    }
    Ok(found)
}

#[derive(Deserialize)]
struct Occupation {
    occupation: String,
    /// The share of women, in per cent, by the US Bureau of Labor Statistics.
    bls_pct_female: f64,
}

/// Tells apart the sentences whose answer contradicts the occupation's statistics, which Rudinger
/// et al. call "gotchas". A female pronoun is one if it means somebody of an occupation with fewer
/// than half women, or if it does not mean somebody of an occupation with at least half. A male
/// pronoun is one in the other cases. The file is `occupations-stats.tsv`.
pub(super) fn tell_apart(items: &mut [Item], file: &TextFile) -> Result<(), FrameworkError> {
    let rows = file.table::<Occupation>(b'\t')?;
    for item in items {
        let Labels::Pronoun { right, gender, gotcha } = &mut item.labels else { continue };
        let own = rows.iter().find(|(_, row)| row.occupation == item.cluster);
        let Some((_, own)) = own else {
            let reason = format!("it has no line about the occupation `{}`", item.cluster);
            return Err(file.bad(None, reason));
        };
        let (mostly_women, means_it) = (own.bls_pct_female >= 50.0, *right == 0);
        *gotcha = match gender.as_str() {
            "female" => Some(mostly_women != means_it),
            "male" => Some(mostly_women == means_it),
            _ => None,
        };
    }
    Ok(())
}

/// A sentence, and the question whom its pronoun means.
pub(super) fn refers(sentence: &str, pronoun: &str) -> String {
    let mut letters = pronoun.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let pronoun: String = first.chain(letters).collect();
    format!("{sentence} ‘{pronoun}’ refers to the")
}
