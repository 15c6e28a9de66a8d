use indicatif::{ProgressBar, ProgressStyle};

/// A bar that says what is done; nothing where there is no terminal.
pub(crate) fn bar(what: &str, steps: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{prefix:>16} {bar:40} {pos}/{len}  {elapsed} so far, {eta} left");
    ProgressBar::new(steps)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(what.to_owned())
}
