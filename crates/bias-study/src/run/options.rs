use std::path::PathBuf;

use bias_types::prompt::Context;

use crate::results::{Experiment, Plan, Settings};
use crate::shard::Shard;

/// How a study is run.
#[derive(Debug, Clone)]
pub struct StudyOptions {
    /// What decides the numbers.
    pub settings: Settings,
    /// The two contexts of the named experiments; by default `financial` and
    /// `commercial`, or the first two.
    pub focus: Option<[Context; 2]>,
    /// Text about nothing in particular, one text per entry: the first, third, … for perplexity,
    /// the others for methods that look out for what pruning spoils.
    pub neutral: Vec<String>,
    /// Threads that run prompts side by side: the cores of a CPU, 1 on an accelerator.
    pub threads: usize,
    /// Chooses Wanda's weights where they are, without bringing them to the host: for a GPU
    /// ([`GroupNorms::difference_on_device`](bias_attrib::methods::GroupNorms::difference_on_device)).
    pub select_on_device: bool,
    /// Where to keep masks and every finished piece of work, so that a study that was stopped can
    /// go on; if anywhere.
    pub out: Option<PathBuf>,
    /// Which part of the study [`Study::work`](crate::Study::work) does; several may share a
    /// folder.
    pub shard: Option<Shard>,
    /// How much is tried.
    pub plan: Plan,
    /// What is asked.
    pub experiments: Vec<Experiment>,
}

impl Default for StudyOptions {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            focus: None,
            neutral: Vec::new(),
            threads: 1,
            select_on_device: false,
            out: None,
            shard: None,
            plan: Plan::Full,
            experiments: vec![Experiment::Transfer, Experiment::Groups],
        }
    }
}
