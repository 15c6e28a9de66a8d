//! Items: what the files of every framework become.
//!
//! | file | what for |
//! |---|---|
//! | item | [`Item`], [`Texts`], [`Continued`]: the texts to score, and which items share a template |
//! | labels | [`Labels`]: what a framework's metric needs to know of an item |
//! | names | [`NameQuestions`]: items made of names, and not read from a file |
//! | set | [`ItemSet`], [`LeftOut`], [`Reason`]: the items of some files, and those that were left out |

pub(crate) mod item;
pub(crate) mod labels;
pub(crate) mod names;
pub(crate) mod set;

pub use self::item::{Continued, Item, Texts};
pub use self::labels::{Labels, Length};
pub use self::names::NameQuestions;
pub use self::set::{ItemSet, LeftOut, Reason, Source};
