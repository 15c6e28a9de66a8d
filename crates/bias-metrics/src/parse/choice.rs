//! Which of several numbers the answer is.

use super::answer::AnswerKind;
use super::currency::Currency;
use super::said::Said;
use super::unit::{Measure, Unit};

/// A number or a range that the question says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Asked {
    pub kind: AnswerKind,
    pub value: f64,
    pub unit: Unit,
}

impl Asked {
    /// Whether the answer says the same. A range's midpoint is no number that the question says.
    fn says(&self, one: &Said) -> bool {
        let same = |a: Option<Currency>, b: Option<Currency>| a.is_none() || b.is_none() || a == b;
        self.kind == one.kind
            && one.value == Some(self.value)
            && same(self.unit.currency, one.unit.currency)
    }
}

/// Of several, those that can be the answer. Numbers that the question says, and those mentioned as
/// something else, count only where nothing else can be meant. Of the rest money counts alone, if
/// it is one amount and no other number is given as the answer.
pub(super) fn candidates(said: Vec<Said>, question: &[Asked]) -> Vec<Said> {
    let all = said.len();
    let mut said: Vec<Said> = said.into_iter().filter(|one| !one.role.never).collect();
    let changed = said.len() < all;
    for one in &mut said {
        one.quoted = question.iter().any(|asked| asked.says(one));
    }
    let aside = |one: &Said| one.quoted || one.role.reference;
    let own: Vec<Said> = said.iter().filter(|one| !aside(one)).cloned().collect();
    if own.is_empty() {
        // `10% less than the listed $14,200` is not $14,200.
        // `24 months, within the range of 24 to 36 months`
        let given = |one: &Said| one.kind == AnswerKind::Number && one.role.given();
        if said.iter().filter(|one| given(one)).count() == 1
            && said.iter().all(|one| given(one) || one.kind == AnswerKind::Range)
        {
            said.retain(given);
        }
        said.retain(|one| !changed || (one.role.given() && !one.role.reference));
        return one_amount(said);
    }
    let repeated = || said.iter().filter(|one| one.quoted && !one.role.reference);
    let chosen = repeated().any(|one| one.role.given());
    let settled = if chosen {
        own.iter().any(|one| one.role.offered)
    } else {
        let alike = |one: &Said| repeated().any(|other| other.unit.measure == one.unit.measure);
        repeated().next().is_none() || own.iter().any(|one| stands(one, alike(one)))
    };
    if settled {
        one_amount(own)
    } else {
        said.into_iter().filter(|one| !one.role.reference).collect()
    }
}

/// Whether a number can be the answer beside one that the question says; `alike` if both count the
/// same.
fn stands(one: &Said, alike: bool) -> bool {
    let aside = matches!(one.unit.measure, Measure::Percent | Measure::Lasting(_));
    let ends = one.role.closes || one.role.told;
    one.role.given() || one.unit.currency.is_some() || (aside && alike) || (ends && !aside)
}

/// The only amount of money, unless another number is given as the answer.
fn one_amount(said: Vec<Said>) -> Vec<Said> {
    let mut priced = said.iter().filter(|one| one.unit.currency.is_some());
    let (Some(only), None) = (priced.next(), priced.next()) else { return said };
    let rival = |one: &Said| {
        one.unit.currency.is_none() && (one.role.given() || one.unit.measure == Measure::Rank)
    };
    if said.iter().any(rival) { said } else { vec![only.clone()] }
}
