//! The study of one model: audit, attribute, prune, audit again; forecasts; its folder sealed and
//! verified.

mod also;
mod answers;
mod audit;
mod benchmark;
mod executable;
mod forecast;
mod manifest;
mod memory;
mod options;
mod progress;
mod study;
mod work;

pub use self::audit::Audit;
pub use self::forecast::Forecast;
pub(crate) use self::forecast::{ALTERNATIVE, HEADS, PURSUIT, SIGNED_GAP};
pub use self::manifest::{FileHash, Manifest, verify};
pub use self::memory::process_memory;
pub use self::options::StudyOptions;
pub(crate) use self::progress::Progress;
pub use self::progress::in_words;
pub use self::study::Study;
pub use crate::shard::Shard;
