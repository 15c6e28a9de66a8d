use crate::results::{LeftOut, Strategy};

/// What a job found.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct JobFound {
    /// What there is to try.
    pub found: Vec<Found>,
    /// Methods that could not look at what they were to be made from.
    pub left_out: Vec<LeftOut>,
}

/// Something to try.
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
