use std::collections::BTreeSet;
use std::path::Path;

use bias_metrics::Arm;

use super::records::bad;
use super::set::{Person, PromptSet};
use crate::StudyError;
use crate::results::Split;

impl PromptSet {
    /// Checks that the two groups can be compared in every variation, and marks variations and names
    /// as held out where the file does not.
    ///
    /// # Errors
    /// [`StudyError::Prompts`].
    pub(super) fn finish(&mut self, path: &Path) -> Result<(), StudyError> {
        for own in &mut self.contexts {
            let count = own.variations.len();
            let mut first: Option<Vec<Person>> = None;
            for (at, variation) in own.variations.iter_mut().enumerate() {
                let place = format!("{} / {}", own.context, variation.name);
                if !self.marked && at >= count - count / 3 {
                    variation.split = Split::HeldOut;
                }
                variation.people.sort();
                for (arm, group) in [Arm::A, Arm::B].into_iter().zip(&self.groups) {
                    let names = variation.people.iter().filter(|p| p.arm == arm).count();
                    if names < 2 {
                        let reason = format!(
                            "{place} has {names} names of group `{group}`; at least 2 are needed"
                        );
                        return Err(bad(path, None, reason));
                    }
                }
                // The same but for what is asked.
                let without_text = |p: &Person| Person { text: String::new(), ..p.clone() };
                let people: Vec<Person> = variation.people.iter().map(without_text).collect();
                let expected = first.get_or_insert_with(|| people.clone());
                if *expected != people {
                    let absent = |from: &[Person], other: &[Person]| {
                        let other: BTreeSet<&Person> = other.iter().collect();
                        from.iter().find(|own| !other.contains(own)).cloned()
                    };
                    let odd = absent(expected, &people).or_else(|| absent(&people, expected));
                    let odd = odd.map_or_else(|| "somebody".to_owned(), |own| own.name);
                    let reason = format!(
                        "{place} is not about the same people as the context's first variation: {odd} is in one only"
                    );
                    return Err(bad(path, None, reason));
                }
            }
            if !own.variations.iter().any(|v| v.split == Split::Attribution) {
                let reason = format!("{} has no variation left to attribute on", own.context);
                return Err(bad(path, None, reason));
            }
        }
        if !self.names_marked {
            self.hold_out_names();
        } else if let Some((context, split)) = self.too_few().filter(|_| self.holds_out_names()) {
            let split = if split == Split::HeldOut { "held_out" } else { "attribution" };
            let reason = format!(
                "`name_split` leaves {context} with fewer than 2 names of a side as `{split}`; mark more, or none"
            );
            return Err(bad(path, None, reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::sample::{HEADER, read, variation};

    #[test]
    fn every_second_name_of_a_group_is_held_out_unless_the_file_says_so() {
        let names = |group: &str, names: &[&str], split: &str| -> String {
            names
                .iter()
                .map(|n| format!("purchase,car,{group},{n},low,Offer {n}?{split}\n"))
                .collect()
        };
        let both = |split: &str| {
            names("white_men", &["Todd", "Seth", "Jake", "Ryan"], split)
                + &names("black_men", &["Jamal", "Tyrone", "Terrell", "Jayvon"], split)
        };
        let held_out = |set: &PromptSet| -> Vec<String> {
            let people = &set.contexts[0].variations[0].people;
            people.iter().filter(|p| p.split == Split::HeldOut).map(|p| p.name.clone()).collect()
        };
        let mut set = read(&(HEADER.to_owned() + &both(""))).unwrap();
        assert_eq!(held_out(&set), ["Ryan", "Todd", "Jayvon", "Tyrone"]);
        assert!(set.holds_out_names());
        // Too few on either side to hold anybody out.
        let few = names("white_men", &["Todd", "Seth", "Jake"], "")
            + &names("black_men", &["Jamal", "Tyrone", "Terrell"], "");
        let mut nobody = read(&(HEADER.to_owned() + &few)).unwrap();
        assert!(!nobody.holds_out_names());
        nobody.thin(1, 1);
        assert_eq!(nobody.contexts[0].variations[0].people.len(), 4);
        // Splits survive thinning.
        set.thin(1, 1);
        assert_eq!(held_out(&set), ["Ryan", "Todd", "Jayvon", "Tyrone"], "two of each at least");
        let header = HEADER.trim_end().to_owned() + ",name_split\n";
        let said = both(",attribution").replace("Jake?,attribution", "Jake?,held_out");
        let said = said.replace("Ryan?,attribution", "Ryan?,held_out");
        let said = said.replace("Jamal?,attribution", "Jamal?,held_out");
        let said = said.replace("Terrell?,attribution", "Terrell?,held_out");
        let mut marked = read(&(header.clone() + &said)).unwrap();
        assert_eq!(held_out(&marked), ["Jake", "Ryan", "Jamal", "Terrell"]);
        // Impossible marks are refused.
        marked.thin(2, 2);
        assert_eq!(held_out(&marked), ["Jake", "Ryan", "Jamal", "Terrell"]);
        let few = said.replace("Jake?,held_out", "Jake?,attribution");
        let error = read(&(header + &few)).unwrap_err().to_string();
        assert!(error.contains("fewer than 2 names"), "{error}");
        // Sides stay even although one has two groups of odd size.
        let uneven = names("white_men", &["Todd", "Seth", "Jake"], "")
            + &names("white_women", &["Emily", "Claire", "Megan"], "")
            + &names(
                "black_men",
                &["Jamal", "Tyrone", "Terrell", "Jayvon", "DaQuan", "Latrell"],
                "",
            );
        let set = read(&(HEADER.to_owned() + &uneven)).unwrap();
        assert_eq!(held_out(&set).len(), 6);
        let white = set.contexts[0].variations[0].people.iter().filter(|p| p.arm == Arm::A);
        assert_eq!(white.filter(|p| p.split == Split::HeldOut).count(), 3);
    }

    /// Every pair of these names compared once would take minutes.
    #[test]
    fn the_odd_one_of_many_names_is_named() {
        let people = |last: &str| {
            let row = |at: usize| {
                let group = if at.is_multiple_of(2) { "white_men" } else { "black_men" };
                let name = if at == 0 { last.to_owned() } else { format!("Name{at:06}") };
                format!("purchase,{{}},{group},{name},low,Offer {name}?\n")
            };
            (0..60_000).map(row).collect::<String>()
        };
        let csv = HEADER.to_owned()
            + &people("Zoe").replace("{}", "car")
            + &people("Zed").replace("{}", "bike");
        let error = read(&csv).unwrap_err().to_string();
        assert!(error.contains("Zoe is in one only"), "{error}");
    }

    #[test]
    fn a_name_belongs_to_one_group() {
        let one = variation("purchase", "car", "low");
        let other =
            variation("purchase", "bike", "low").replace("white_men,Todd", "white_women,Todd");
        let error = read(&(HEADER.to_owned() + &one + &other)).unwrap_err().to_string();
        assert!(error.contains("the same people") && error.contains("Todd"), "{error}");
    }
}
