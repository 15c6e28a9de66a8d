//! The places of a text that mention a person.
//!
//! | file | what for |
//! |---|---|
//! | find | [`Mentions`]: where a text mentions a person |
//! | parts | [`NameParts`]: first name and surname |
//! | folded | a text in which equal names are equal characters |
//! | words | titles, and names that are also words |

pub(crate) mod find;
mod folded;
pub(crate) mod parts;
#[cfg(test)]
mod tests;
mod words;

pub use self::find::Mentions;
pub use self::parts::NameParts;
