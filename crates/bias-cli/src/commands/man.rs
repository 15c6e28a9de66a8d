//! Prints or writes the manual.

use std::path::PathBuf;

use bias_cli::failure::Failure;
use bias_files::{output, say};
use clap_mangen::Man;

/// Print the manual page of bias, or write the pages of bias and all its subcommands to a folder.
///
/// `man -l bias.1` shows a page. To install the pages, put them into a folder share/man/man1.
#[derive(clap::Args)]
#[command(after_help = "Example:
  bias man man1  … and then: man -l man1/bias-study.1")]
pub(crate) struct Args {
    /// Folder for the pages; without it, the page of bias itself is printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Prints or writes them.
///
/// # Errors
/// Output, a folder or a file that cannot be written.
pub(crate) fn run(args: &Args, command: clap::Command) -> Result<(), Failure> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        output::bytes(&page);
        return Ok(());
    };
    let written =
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
    say!("wrote the manual to {}", folder.display());
    Ok(())
}
