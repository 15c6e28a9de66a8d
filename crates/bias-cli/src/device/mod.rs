//! Where models run.
//!
//! | file | what for |
//! |---|---|
//! | [`name`] | devices by name, and the type that is computed in |
//! | [`place`] | `--device` and `--compute`, and [`on_device!`](crate::on_device), which runs code on what they name |
//! | reach | whether a GPU or a server is there and works |
//! | server | lends a device of this machine to others (feature `remote`) |

pub mod name;
pub mod place;
#[cfg(any(feature = "cuda", feature = "remote", test))]
mod reach;
#[cfg(feature = "remote")]
pub mod server;
