//! Requests over HTTP: an address, a key that is never shown, and one POST at a time.
//!
//! | file | what for |
//! |---|---|
//! | address | [`Address`]: a server's address, checked |
//! | key | [`Key`]: a secret that is sent and never shown |
//! | client | [`Client`]: requests with time limits and a limit on what comes back; [`Response`] |

mod address;
mod client;
mod key;

pub use self::address::Address;
pub use self::client::{Client, Response, Timeouts};
pub(crate) use self::client::{MOST_BYTES, shortened};
pub use self::key::Key;
