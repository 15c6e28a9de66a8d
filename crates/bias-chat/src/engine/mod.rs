//! The template engine: minijinja, with operators of our own in the compiled code.
//!
//! | file | what for |
//! |---|---|
//! | source | the changes to a template's source before it is compiled |
//! | program | a compiled template whose operators are replaced by calls |

pub(crate) mod program;
pub(crate) mod source;
