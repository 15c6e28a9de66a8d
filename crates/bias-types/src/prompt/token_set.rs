use std::sync::Arc;

/// A set of tokens, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TokenSet(Arc<[u32]>);

impl TokenSet {
    /// Whether a token belongs to it.
    #[must_use]
    pub fn contains(&self, token: u32) -> bool {
        self.0.binary_search(&token).is_ok()
    }

    /// Its tokens, in ascending order.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.0
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u32> for TokenSet {
    /// Tokens may come in any order, and repeatedly.
    fn from_iter<I: IntoIterator<Item = u32>>(tokens: I) -> Self {
        let mut tokens: Vec<u32> = tokens.into_iter().collect();
        tokens.sort_unstable();
        tokens.dedup();
        Self(tokens.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_repeats_do_not_matter() {
        let set: TokenSet = [7, 2, 7, 4].into_iter().collect();
        assert_eq!(set, [2, 4, 7].into_iter().collect());
        assert!(set.contains(4) && !set.contains(3));
        assert_eq!(set.tokens(), [2, 4, 7]);
        assert!(TokenSet::default().is_empty());
    }
}
