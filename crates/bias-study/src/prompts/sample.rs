//! Small prompt files for tests.

use super::set::PromptSet;
use crate::StudyError;
use crate::results::Attribute;

/// Reads a file with this content; people are compared by race.
pub(super) fn read(csv: &str) -> Result<PromptSet, StudyError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), csv).unwrap();
    PromptSet::from_csv(file.path(), &Attribute::before("race", "_"), ["white", "black"])
}

/// Columns of the public schema.
pub(super) const HEADER: &str = "scenario,variation,name_group,name,context_level,prompt_text\n";

/// Rows of one variation with two names in each group.
pub(super) fn variation(scenario: &str, variation: &str, level: &str) -> String {
    let row = |group: &str, name: &str| {
        format!("{scenario},{variation},{group},{name},{level},\"What should I offer {name}?\"\n")
    };
    row("black_men", "Jamal")
        + &row("white_women", "Emily")
        + &row("white_men", "Todd")
        + &row("black_women", "Tyra")
}
