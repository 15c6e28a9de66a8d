/// Parses a number that is written as `to_string` writes it: without a sign or leading zeros. So
/// each name has one spelling, and no part of a model is counted twice.
pub(super) fn canonical(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number: &usize| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "+3", "-0", "03", "00", " 3", "3 ", "1_000", "3.0", "٣"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_read_back_as_themselves(number: usize) {
            prop_assert_eq!(canonical(&number.to_string()), Some(number));
        }
    }
}
