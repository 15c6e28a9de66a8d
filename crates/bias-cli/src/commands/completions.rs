//! Prints completions for a shell.

use bias_cli::failure::Failure;
use bias_files::output;
use clap_complete::Shell;

/// Print the completions of a shell: what it offers after `bias` when you press the tab key.
///
/// The place for the file depends on the shell. For bash it is, for example,
/// ~/.local/share/bash-completion/completions/bias. For zsh it is a file called _bias in a folder
/// of $fpath.
#[derive(clap::Args)]
#[command(after_help = "Example:
  bias completions bash > bias.bash  … and then: source bias.bash")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
///
/// # Errors
/// Output that cannot be written.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "bias", &mut script);
    output::bytes(&script);
    Ok(())
}
