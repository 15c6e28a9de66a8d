/// Sampling that is asked for instead of what a checkpoint says of it; `None` is the checkpoint's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SamplingOptions {
    /// Above 0.
    pub temperature: Option<f64>,
    /// 0 keeps all.
    pub top_k: Option<usize>,
    /// Above 0 and at most 1, which keeps all.
    pub top_p: Option<f64>,
    /// From 0, which keeps all, to 1.
    pub min_p: Option<f64>,
    /// Keys of the checkpoint's generation settings to do without, or `all`.
    pub ignored_keys: Vec<String>,
}

impl SamplingOptions {
    pub(super) fn ignores(&self, key: &str) -> bool {
        // All that says how tokens are drawn; which tokens end an answer stays.
        let all = key != "eos_token_id";
        self.ignored_keys.iter().any(|own| own == key || (all && own == "all"))
    }

    /// Settings that are asked for here.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let given = [
            ("temperature", self.temperature.is_some()),
            ("top-k", self.top_k.is_some()),
            ("top-p", self.top_p.is_some()),
            ("min-p", self.min_p.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }
}
