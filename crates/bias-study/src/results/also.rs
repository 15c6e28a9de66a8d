use bias_frameworks::Framework;
use bias_frameworks::report::{FrameworkResult, TestOfChange};
use serde::{Deserialize, Serialize};

/// Benchmarks, capability tasks and questions about names, before and after every mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Also {
    /// The digest of each set of items: the names of their pieces.
    pub sets: Vec<String>,
    /// The unpruned model: every measure of every framework, with intervals and tests.
    pub frameworks: Vec<FrameworkResult>,
    /// Every measure over all items of its framework, under every mask.
    pub changes: Vec<AlsoChange>,
}

/// A measure under a mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlsoChange {
    /// [`Strategy::id`](super::Strategy::id).
    pub strategy: String,
    /// The framework.
    pub framework: Framework,
    /// The name of the measure.
    pub measure: String,
    /// Its value under the mask; absent where it is undefined.
    pub after: Option<f64>,
    /// The value under the mask less that of the unpruned model.
    pub difference: Option<f64>,
    /// The interval of the difference, by a bootstrap over clusters, the same before and after.
    pub interval: Option<[f64; 2]>,
    /// The probability of so uneven a change by chance, where it is tested.
    pub p: Option<f64>,
    /// The same after Holm's correction over all measures under this mask.
    pub p_holm: Option<f64>,
    /// The test.
    pub test: Option<TestOfChange>,
}

impl Also {
    /// A measure of the unpruned model over all items of its framework.
    #[must_use]
    pub fn before(&self, framework: Framework, measure: &str) -> Option<f64> {
        let own = self.frameworks.iter().find(|own| own.framework == framework)?;
        own.measures.iter().find(|own| own.name == measure && own.subset.is_none())?.before.value
    }

    /// A measure under a mask.
    #[must_use]
    pub fn change(
        &self,
        strategy: &str,
        framework: Framework,
        measure: &str,
    ) -> Option<&AlsoChange> {
        self.changes.iter().find(|own| {
            own.strategy == strategy && own.framework == framework && own.measure == measure
        })
    }
}
