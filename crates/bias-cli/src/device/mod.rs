//! The devices that models run on.
//!
//! | file | what for |
//! |---|---|
//! | [`name`] | names of devices, and the computing type |
//! | [`place`] | `--device` and `--compute`, and [`on_device!`](crate::on_device), which runs code on the named device |
//! | reach | whether a GPU or a server is present and works |
//! | [`token`] | what a server's clients must know |
//! | server | lends a device of this machine to others (feature `remote`) |

pub mod name;
pub mod place;
#[cfg(any(feature = "cuda", feature = "remote", test))]
mod reach;
#[cfg(feature = "remote")]
pub mod server;
pub mod token;
