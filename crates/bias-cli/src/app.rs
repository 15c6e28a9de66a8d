//! The command line as a whole.

use std::process::ExitCode;

use bias_files::note;
use clap::{CommandFactory as _, Parser, Subcommand};
use rayon::ThreadPoolBuilder;

use crate::commands::{
    attribute, audit, benchmark, capture, compare, completions, frameworks, generalize, man, pairs,
    prune, serve, study, verify,
};
use bias_cli::failure::finish;

/// Find, remove and re-measure bias in a language model.
///
/// bias asks a model the same questions about people of two groups; only the name changes. It
/// measures how far the answers differ. It finds the weights, neurons or heads that carry the
/// difference, writes a copy of the model without them, and asks again. Inside a clone of the
/// project's repository, commands use the small model that ships there if you name no other.
#[derive(Parser)]
#[command(
    name = "bias",
    version,
    after_help = "Begin with:
  bias audit                                   in a clone: is the embedded model biased? half a minute
  bias study --quick                           what carries the bias, and what pruning does: a report to open
  bias audit --model ~/my-model --prompts my.csv
                                               your own model and questions

bias COMMAND --help says more about each command."
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    #[command(
        about = "Ask a model about people of two groups, and measure how far its answers differ"
    )]
    Audit(Box<audit::Args>),
    #[command(
        about = "Put models side by side: saved or recorded answers, audits, studies, before and after pruning"
    )]
    Compare(compare::Args),
    #[command(
        about = "Audit, find what carries the bias, prune it and audit again, in every context; write a report"
    )]
    Study(Box<study::Args>),
    #[command(
        about = "Find out whether removing a bias carries to other names, questions, contexts and benchmarks"
    )]
    Generalize(Box<generalize::Args>),
    #[command(
        about = "Find the weights, neurons or heads that carry a difference, and write them as a mask"
    )]
    Attribute(attribute::Args),
    #[command(about = "Write a copy of a model in which the weights of a mask are zero")]
    Prune(prune::Args),
    #[command(about = "Write the activations of one prompt to a file")]
    Capture(capture::Args),
    #[command(
        about = "Count which of two sentences a model finds more likely, as CrowS-Pairs does"
    )]
    Pairs(pairs::Args),
    #[command(
        about = "Score a model on published bias benchmarks and capability tasks, before and after a mask"
    )]
    Frameworks(frameworks::Args),
    #[command(about = "Compare all methods on models whose bias is known, or on yours")]
    Benchmark(benchmark::Args),
    #[command(about = "Check the folder of a study that somebody else made")]
    Verify(verify::Args),
    #[command(
        about = "Let bias on other machines compute on this machine's processor or GPU (feature remote)"
    )]
    Serve(serve::Args),
    #[command(about = "Print completions for bash, zsh, fish and others")]
    Completions(completions::Args),
    #[command(about = "Print or write the manual pages")]
    Man(man::Args),
}

/// More threads than any machine has processors would only take memory.
const MOST_THREADS: usize = 1024;

/// Makes the pool of threads that everything shares, with as many as the system gives, and the
/// present one where it gives none.
fn share_threads() {
    // A pool that could not be made cannot be made anew, so it is tried as one of its own first.
    let wanted = std::env::var("RAYON_NUM_THREADS").ok().and_then(|own| own.parse().ok());
    let usual = || std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = wanted.filter(|own| *own > 0).unwrap_or_else(usual).min(MOST_THREADS);
    let threads = |count: usize| ThreadPoolBuilder::new().num_threads(count);
    let most = std::iter::successors(Some(wanted), |own| Some(own / 2).filter(|own| *own > 0));
    let given = most.into_iter().find(|own| threads(*own).build().is_ok());
    let made = match given {
        Some(count) => threads(count).build_global(),
        None => threads(1).use_current_thread().build_global(),
    };
    if let Err(error) = made {
        note!("fewer threads are at work than there could be: {error}");
    }
}

/// Parses the arguments of this process and runs the command.
pub(crate) fn main() -> ExitCode {
    let asked = Cli::parse();
    share_threads();
    finish(match &asked.task {
        Task::Audit(args) => audit::run(args),
        Task::Compare(args) => compare::run(args),
        Task::Study(args) => study::run(args),
        Task::Generalize(args) => generalize::run(args),
        Task::Attribute(args) => attribute::run(args),
        Task::Prune(args) => prune::run(args),
        Task::Capture(args) => capture::run(args),
        Task::Pairs(args) => pairs::run(args),
        Task::Frameworks(args) => frameworks::run(args),
        Task::Benchmark(args) => benchmark::run(args),
        Task::Verify(args) => verify::run(args),
        Task::Serve(args) => serve::run(args),
        Task::Completions(args) => completions::run(args, Cli::command()),
        Task::Man(args) => man::run(args, Cli::command()),
    })
}
