//! The command line as a whole.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    attribute, audit, benchmark, capture, completions, man, pairs, prune, serve, study, verify,
};
use bias_cli::failure::finish;

/// Find, remove and re-measure bias in a language model.
///
/// A model is asked about people of two groups; only the name changes. bias measures how far the answers differ, finds
/// the weights, neurons or heads that carry the difference, writes a copy of the model without them, and asks again.
/// Within the project's repository a small model that ships with it is used wherever none is named.
#[derive(Parser)]
#[command(
    name = "bias",
    version,
    after_help = "Begin with:
  bias audit                                   is the embedded model biased? half a minute
  bias study --quick                           what carries it, and what pruning that does: a report to open
  bias audit --model ~/my-model --prompts my.csv
                                               your own model and questions

bias COMMAND --help says more about each."
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    #[command(about = "Ask a model about people of two groups, and measure how far its answers differ")]
    Audit(audit::Args),
    #[command(
        about = "Audit, find what carries the bias, prune that and audit again, in every context; ends with a report"
    )]
    Study(study::Args),
    #[command(about = "Find the weights, neurons or heads that carry a difference, and keep them as a mask")]
    Attribute(attribute::Args),
    #[command(about = "Write a copy of a model in which the weights of a mask are zero")]
    Prune(prune::Args),
    #[command(about = "Keep activations of one prompt in a file")]
    Capture(capture::Args),
    #[command(about = "Count which of two sentences a model finds likelier, as CrowS-Pairs does")]
    Pairs(pairs::Args),
    #[command(about = "Compare all methods on models whose bias is known, or on yours")]
    Benchmark(benchmark::Args),
    #[command(about = "Check the folder of a study that somebody else made")]
    Verify(verify::Args),
    #[command(about = "Lend this machine's processor or GPU to bias on other machines (feature remote)")]
    Serve(serve::Args),
    #[command(about = "Print completions for bash, zsh, fish and others")]
    Completions(completions::Args),
    #[command(about = "Print or write the manual pages")]
    Man(man::Args),
}

/// Reads the arguments of this process and does what they say.
pub(crate) fn main() -> ExitCode {
    finish(match &Cli::parse().task {
        Task::Audit(args) => audit::run(args),
        Task::Study(args) => study::run(args),
        Task::Attribute(args) => attribute::run(args),
        Task::Prune(args) => prune::run(args),
        Task::Capture(args) => capture::run(args),
        Task::Pairs(args) => pairs::run(args),
        Task::Benchmark(args) => benchmark::run(args),
        Task::Verify(args) => verify::run(args),
        Task::Serve(args) => serve::run(args),
        Task::Completions(args) => completions::run(args, Cli::command()),
        Task::Man(args) => man::run(args, Cli::command()),
    })
}
