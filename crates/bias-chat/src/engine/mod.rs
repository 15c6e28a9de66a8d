//! The template engine: minijinja, with our operators in what it compiles.
//!
//! | file | what for |
//! |---|---|
//! | source | what is rewritten in a template before it is compiled |
//! | program | a compiled template, its operators replaced by calls |

pub(crate) mod program;
pub(crate) mod source;
