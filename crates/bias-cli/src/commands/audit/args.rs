//! What an audit is told.

use std::path::PathBuf;

use bias_cli::args::also::ByArgs;
use bias_cli::args::model::ModelArgs;
use bias_cli::args::prompts::PromptArgs;

#[cfg(feature = "hosted")]
use super::hosted::HostedArgs;

/// What says how a model is asked: nothing of it counts where answers are there already.
const ASKING: [&str; 20] = [
    "model",
    "device",
    "compute",
    "stored",
    "stream",
    "accept_key",
    "system",
    "template_arg",
    "date",
    "samples",
    "unexplored",
    "budget_tokens",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "ignore_generation_key",
    "max_new_tokens",
    "prompts",
    "raw",
];

/// Ask a model the same questions about people of two groups, and measure how far its numbers
/// differ.
///
/// The result is the standardized mean difference (SMD) per variation, with intervals over names.
/// With --by, all groups of an attribute are compared as well, two at a time and together.
///
/// An audit changes nothing. Inside a clone of the project's repository, it asks the embedded model
/// the prompts of that model if you name no other. Elsewhere, name --model and --prompts.
///
/// With --hosted, it asks a model behind an HTTP interface instead, whose weights nobody needs to
/// have.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) model: ModelArgs,
    #[command(flatten)]
    pub(super) prompts: PromptArgs,
    #[command(flatten)]
    pub(super) by: ByArgs,
    /// Audit the answers that this file holds, CSV or JSON Lines, instead of asking a model. It has
    /// the columns of a prompt file, and `response`; also `model`, and `count` (how often the answer
    /// was drawn) or `probability`. It needs no model
    #[arg(long, value_name = "FILE", conflicts_with_all = ASKING)]
    #[cfg_attr(feature = "hosted", arg(conflicts_with = "HostedArgs"))]
    pub(super) answers: Option<PathBuf>,
    /// Of several models in the file of --answers, audit only this one. May be given several times
    #[arg(long, value_name = "MODEL", requires = "answers")]
    pub(super) of: Vec<String>,
    /// Also write every answer to this file, with its question, its probability (or how often it was
    /// drawn), and what was read in it. --answers reads it. A name that ends in .jsonl gives JSON
    /// Lines, any other CSV
    #[arg(long, value_name = "FILE")]
    pub(super) save_answers: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
    // Last, for its heading is that of all arguments behind it.
    #[cfg(feature = "hosted")]
    #[command(flatten, next_help_heading = "Models behind an HTTP interface")]
    pub(super) hosted: HostedArgs,
}
