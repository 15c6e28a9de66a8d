use std::path::PathBuf;

use bias_frameworks::ItemSet;
use bias_types::prompt::Context;

use crate::results::{Experiment, Plan, Settings};
use crate::shard::Shard;

/// How a study is run.
#[derive(Debug, Clone)]
pub struct StudyOptions {
    /// The settings that decide the numbers.
    pub settings: Settings,
    /// The two contexts of the named experiments; by default `financial` and
    /// `commercial`, or the first two.
    pub focus: Option<[Context; 2]>,
    /// Neutral text, one text per entry. The first, third, … are for perplexity, the others for
    /// methods that spare what neutral text needs.
    pub neutral: Vec<String>,
    /// The number of threads that run prompts side by side: the cores of a CPU, 1 on an
    /// accelerator.
    pub threads: usize,
    /// Whether Wanda's weights are chosen on the device, without copying them to the host: for a
    /// GPU
    /// ([`GroupNorms::difference_on_device`](bias_attrib::methods::GroupNorms::difference_on_device)).
    pub select_on_device: bool,
    /// The folder for masks and every finished piece of work, so that a stopped study can continue;
    /// `None` keeps nothing.
    pub out: Option<PathBuf>,
    /// The part of the study that [`Study::work`](crate::Study::work) does. Several parts may share
    /// a folder.
    pub shard: Option<Shard>,
    /// The extent of the study.
    pub plan: Plan,
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// Benchmarks and capability tasks to score before and after every mask, and questions about
    /// names ([`PromptSet::name_questions`](crate::PromptSet::name_questions)).
    pub also: Vec<ItemSet>,
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
            also: Vec::new(),
        }
    }
}
