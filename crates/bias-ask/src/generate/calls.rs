use crate::error::AskError;

/// Turns an answer's tokens into text.
pub type ToText<'t> = dyn Fn(&[u32]) -> Result<String, AskError> + Sync + 't;

/// Is told how many questions were answered, each time that some were, from whichever thread.
pub type Done<'d> = dyn Fn(usize) + Sync + 'd;
