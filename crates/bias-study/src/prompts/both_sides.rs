use std::collections::{BTreeMap, BTreeSet};

use bias_ask::text::NameParts;
use bias_metrics::Arm;

use super::set::PromptSet;
use crate::results::{OnBothSides, SharedPart, Split};

impl PromptSet {
    /// The names, parts of names and levels that stand on both sides of a held-out split: a test
    /// on what is held out meets them again. Empty where they are apart, or nothing is held out.
    ///
    /// Levels are those of one variation, as the set names it: `car (low)` and `car (high)`.
    #[must_use]
    pub fn on_both_sides(&self) -> Vec<OnBothSides> {
        let mut found = Vec::new();
        if self.holds_out_names() {
            let whole = |name: &str| Some(name.to_owned());
            let first = |name: &str| {
                let parts = NameParts::of(name);
                parts.first().filter(|_| parts.last().is_some()).map(str::to_owned)
            };
            let last = |name: &str| NameParts::of(name).last().map(str::to_owned);
            found.push(self.shared_names(SharedPart::Names, whole));
            found.push(self.shared_names(SharedPart::FirstNames, first));
            found.push(self.shared_names(SharedPart::Surnames, last));
        }
        found.push(self.shared_levels());
        found.retain(|own| !own.shared.is_empty());
        found
    }

    /// The names that stand in both groups of a context, each with its context. The question about
    /// such a person is the same for both groups, so that it draws their difference to zero.
    #[must_use]
    pub fn in_both_groups(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for own in &self.contexts {
            let mut arms: BTreeMap<&str, Arm> = BTreeMap::new();
            let mut both = BTreeSet::new();
            for person in own.variations.iter().flat_map(|variation| &variation.people) {
                if *arms.entry(&person.name).or_insert(person.arm) != person.arm {
                    both.insert(person.name.clone());
                }
            }
            found.extend(both.into_iter().map(|name| (own.context.as_str().to_owned(), name)));
        }
        found
    }

    fn shared_names(&self, part: SharedPart, of: impl Fn(&str) -> Option<String>) -> OnBothSides {
        let people = self.contexts.iter().flat_map(|c| &c.variations).flat_map(|v| &v.people);
        let mut sides: BTreeMap<String, [bool; 2]> = BTreeMap::new();
        for person in people {
            if let Some(own) = of(&person.name) {
                sides.entry(own).or_default()[usize::from(person.split == Split::HeldOut)] = true;
            }
        }
        shared(part, sides)
    }

    fn shared_levels(&self) -> OnBothSides {
        let mut sides: BTreeMap<String, [bool; 2]> = BTreeMap::new();
        let mut levels: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for own in &self.contexts {
            for variation in &own.variations {
                let cut = variation.name.strip_suffix(')').and_then(|name| name.rsplit_once(" ("));
                let Some((base, level)) = cut else { continue };
                let base = format!("{} / {base}", own.context);
                levels.entry(base.clone()).or_default().insert(level);
                sides.entry(base).or_default()[usize::from(variation.split == Split::HeldOut)] =
                    true;
            }
        }
        shared(SharedPart::Levels, sides)
    }
}

fn shared(part: SharedPart, sides: BTreeMap<String, [bool; 2]>) -> OnBothSides {
    let all = sides.len();
    let shared = sides.into_iter().filter(|(_, sides)| *sides == [true; 2]);
    OnBothSides { part, shared: shared.map(|(own, _)| own).collect(), all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::sample::{HEADER, read};

    fn names(group: &str, names: &[(&str, &str)]) -> String {
        let row = |(name, split): &(&str, &str)| {
            format!("purchase,car,{group},{name},low,Offer {name}?,{split}\n")
        };
        names.iter().map(row).collect()
    }

    #[test]
    fn surnames_on_both_sides_are_named() {
        let header = HEADER.trim_end().to_owned() + ",name_split\n";
        let white = ["Todd Becker", "Seth Becker", "Jake Becker", "Ryan Becker"];
        let black = ["Jamal Washington", "Tyra Washington", "Latoya Jones", "Tyrone Jones"];
        let unmarked = |all: [&'static str; 4]| all.map(|name| (name, ""));
        let set = read(
            &(header.clone()
                + &names("white_men", &unmarked(white))
                + &names("black_men", &unmarked(black))),
        )
        .unwrap();
        let found = set.on_both_sides();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].part, SharedPart::Surnames);
        assert!(found[0].shared.contains(&"Becker".to_owned()), "{found:?}");
        let said = found[0].to_string();
        assert!(said.contains("Becker") && said.contains("`name_split`"), "{said}");
        // Marked by surname, nothing is shared.
        let white = [
            ("Todd Becker", "attribution"),
            ("Seth Becker", "attribution"),
            ("Jake Cole", "held_out"),
            ("Ryan Cole", "held_out"),
        ];
        let black = [
            ("Jamal Washington", "attribution"),
            ("Tyra Washington", "attribution"),
            ("Latoya Jones", "held_out"),
            ("Tyrone Jones", "held_out"),
        ];
        let set =
            read(&(header.clone() + &names("white_men", &white) + &names("black_men", &black)))
                .unwrap();
        assert_eq!(set.on_both_sides(), []);
        // First names count, too, and names without a surname have none.
        let white = white
            .map(|(name, split)| (if name == "Jake Cole" { "Todd Cole" } else { name }, split));
        let set =
            read(&(header.clone() + &names("white_men", &white) + &names("black_men", &black)))
                .unwrap();
        let found = set.on_both_sides();
        assert_eq!(
            (found.len(), found[0].part, &found[0].shared[..]),
            (1, SharedPart::FirstNames, &["Todd".to_owned()][..])
        );
    }

    #[test]
    fn levels_on_both_sides_are_named() {
        let rows = |variation: &str, level: &str| {
            crate::prompts::sample::variation("purchase", variation, level)
        };
        let csv = |last: &str| {
            HEADER.to_owned() + &rows("car", "low") + &rows("car", "high") + &rows("car", last)
        };
        let set = read(&csv("numeric")).unwrap();
        let found = set.on_both_sides();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].part, &found[0].shared[..]),
            (SharedPart::Levels, &["purchase / car".to_owned()][..])
        );
        assert!(found[0].to_string().contains("`split`"));
        let whole =
            HEADER.to_owned() + &rows("car", "low") + &rows("car", "high") + &rows("bike", "low");
        assert_eq!(read(&whole).unwrap().on_both_sides(), []);
    }
}
