use crate::results::{LeftOut, Strategy};

/// The results of a job.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct JobFound {
    /// The masks or changes to test.
    pub found: Vec<Found>,
    /// Methods that found nothing to attribute.
    pub left_out: Vec<LeftOut>,
}

/// A mask or a change to test.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Found {
    /// Its entry in results, not yet tested.
    pub strategy: Strategy,
    /// The mask's name in the store, if there is one.
    pub mask: Option<String>,
}

impl Found {
    /// The name that its tests are kept under.
    pub(crate) fn change(&self) -> &str {
        if self.mask.is_some() { &self.strategy.mask } else { &self.strategy.id }
    }
}
