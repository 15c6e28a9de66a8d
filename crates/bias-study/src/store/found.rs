use crate::results::Strategy;

/// What a job found to try.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Found {
    /// Not yet tested.
    pub strategy: Strategy,
    /// The mask's name in the store, where there is one.
    pub mask: Option<String>,
}

impl Found {
    /// What its tests are kept under.
    pub(crate) fn change(&self) -> &str {
        if self.mask.is_some() { &self.strategy.mask } else { &self.strategy.id }
    }
}
