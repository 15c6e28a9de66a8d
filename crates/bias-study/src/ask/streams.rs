use std::collections::HashMap;

use bias_metrics::Arm;
use bias_types::prompt::Context;

use crate::prompts::Variation;
use crate::results::{Split, quoted};
use crate::seed::derived_seed;

/// The seed of the random numbers for a person's answers. A person of the other group has the same
/// seed, so the common part cancels in the difference between the groups. No third person has it.
/// If all people shared one seed, all of a group would deviate in the same way, and no interval
/// over names would show it.
fn stream(context: &Context, variation: &str, place: u32) -> u64 {
    // A name with a space could be taken for one without and the beginning of the variation's.
    let context = match context.as_str() {
        name if name.contains(char::is_whitespace) || name.starts_with('"') => quoted(name),
        name => name.into(),
    };
    derived_seed(0, &format!("{context} {variation} {place}"))
}

/// The streams of everybody in a variation, in order.
pub(crate) fn streams(context: &Context, variation: &Variation) -> impl Iterator<Item = u64> {
    let mut arms: HashMap<(Split, Arm), u32> = HashMap::new();
    variation.people.iter().map(move |person| {
        let place = arms.entry((person.split, person.arm)).or_default();
        let stream = stream(context, &variation.name, *place);
        *place += 1;
        stream
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::TrainedOn;

    /// People draw with these numbers, which must never change.
    #[test]
    fn streams_are_of_one_place_each() {
        let of = |context: &str, variation| stream(&context.parse().unwrap(), variation, 3);
        assert_eq!(of("commercial", "car (low)"), 495_571_565_994_234_100);
        let trained_on = TrainedOn::Context("financial".parse().unwrap());
        let drawn = derived_seed(0, &format!("{} wanda", trained_on.seed_text()));
        assert_eq!(drawn, 17_923_335_612_097_591_400);
        assert_ne!(of("a b", "c"), of("a", "b c"));
        assert_ne!(of("\"a b\"", "c"), of("a b", "c"));
    }
}
