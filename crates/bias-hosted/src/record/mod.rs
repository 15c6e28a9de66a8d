//! A file in which every response is kept the moment it comes, so that a run that was killed goes on
//! where it was and asks nothing twice.
//!
//! The first line says what the record is of. Each further line is a response, with the SHA-256 of
//! the address, the request's body and the number of its draw, or what was learnt of the server.
//!
//! | file | what for |
//! |---|---|
//! | journal | [`Journal`]: the file, and where in it each response stands |
//! | key | the name of a request |
//! | seen | [`Seen`]: which models and configurations answered, and when |

mod journal;
mod key;
mod seen;

pub use self::journal::{Journal, Of};
pub(crate) use self::key::Name;
pub use self::seen::Seen;
