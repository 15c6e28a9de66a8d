//! The source of a model: a folder, a GGUF file, or its name on the Hugging Face hub.
//!
//! | file | what for |
//! |---|---|
//! | source | [`ModelSource`]: one of the three |
//! | id | [`HubId`]: `org/name@revision` |
//! | cache | `Hub` (feature `hub`): the hub's cache folder |
//! | fetch | downloads into it (feature `hub`) |

#[cfg(feature = "hub")]
mod cache;
#[cfg(feature = "hub")]
mod fetch;
mod id;
pub(crate) mod source;

#[cfg(feature = "hub")]
pub use self::cache::Hub;
pub use self::id::HubId;
pub use self::source::ModelSource;
