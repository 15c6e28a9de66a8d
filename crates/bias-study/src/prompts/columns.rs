use csv::StringRecord;
use strsim::osa_distance;

/// Columns that people write for another one, which is not near it in spelling.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("lower_is_better", "higher_is_better"),
    ("options", "choices"),
    ("question", "prompt_text"),
    ("answer_key", "answer_field"),
    ("weight", "count"),
    ("model_name", "model"),
];

/// The header of a CSV file, held against the columns that are read from it.
pub(super) struct Columns<'h> {
    pub header: &'h StringRecord,
    /// Every column that may be read.
    pub known: Vec<&'h str>,
}

impl Columns<'_> {
    /// Why a header cannot be meant as it is: a column that nearly has the name of a known one, or
    /// one that occurs twice.
    pub fn fault(&self) -> Option<String> {
        for (i, name) in self.header.iter().enumerate() {
            if self.known.contains(&name) {
                if self.header.iter().take(i).any(|before| before == name) {
                    return Some(format!("the column `{name}` occurs twice"));
                }
                continue;
            }
            if let Some(meant) = self.known.iter().find(|known| is_near(name, known)) {
                return Some(format!(
                    "the column `{}` is not known, but `{meant}` is; write `{meant}` if that is meant, or give it a \
                     name that is less like it",
                    name.escape_debug()
                ));
            }
        }
        None
    }

    /// Why columns are missing, if some are.
    pub fn missing(&self, needed: &[&str]) -> Option<String> {
        let absent = |name: &&&str| !self.header.iter().any(|own| own == **name);
        let missing: Vec<&str> = needed.iter().filter(absent).copied().collect();
        if missing.is_empty() {
            return None;
        }
        let found = self.header.iter().collect::<Vec<_>>().join(",");
        let lone = self.header.len() == 1;
        let other = [(';', "semicolons"), ('\t', "tabs")]
            .into_iter()
            .find(|(c, _)| lone && found.contains(*c));
        let hint = other.map_or_else(String::new, |(_, name)| {
            format!("; its columns are separated by {name}: save it with commas")
        });
        Some(format!("missing columns: {}; the header is `{found}`{hint}", missing.join(", ")))
    }

    /// The columns that nothing is read from. Those without a name are left out.
    pub fn unused(&self) -> Vec<String> {
        let names =
            self.header.iter().filter(|name| !name.is_empty() && !self.known.contains(name));
        names.map(str::to_owned).collect()
    }
}

/// Whether a name is probably a misspelling of a known one.
fn is_near(name: &str, known: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (own, meant) = (plain(name), plain(known));
    let allowed = match meant.chars().count() {
        0..4 => 0,
        4..10 => 1,
        _ => 2,
    };
    let other = OTHER_NAMES.iter().any(|(other, of)| *of == known && own == plain(other));
    own == meant
        || other
        || own.chars().next() == meant.chars().next() && osa_distance(&own, &meant) <= allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_near_and_other_words_are_not() {
        for (name, known) in [
            ("Better", "better"),
            ("choice", "choices"),
            ("answer-prefix", "answer_prefix"),
            ("answer prefix", "answer_prefix"),
            ("AnswerPrefix", "answer_prefix"),
            ("nam_split", "name_split"),
            ("namesplit", "name_split"),
            ("\u{feff}scenario", "scenario"),
            ("scenerio", "scenario"),
            ("spilt", "split"),
            ("promt_txt", "prompt_text"),
            ("lower_is_better", "higher_is_better"),
            ("Per", "per"),
            ("raw_", "raw"),
        ] {
            assert!(is_near(name, known), "{name} {known}");
        }
        for (name, known) in [
            ("row", "raw"),
            ("pet", "per"),
            ("game", "name"),
            ("letter", "better"),
            ("validation", "variation"),
            ("race", "raw"),
            ("gender", "better"),
            ("first_name", "name"),
            ("answer_suffix", "answer_prefix"),
            ("notes", "name"),
            ("", "raw"),
        ] {
            assert!(!is_near(name, known), "{name} {known}");
        }
    }
}
