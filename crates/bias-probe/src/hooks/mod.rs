//! The observer, the model that runs with one, and observers that keep, replace or patch
//! activations.
//!
//! | file | what for |
//! |---|---|
//! | observer | [`Observer`], [`NoObserver`], [`Both`], [`Edit`]: the hook |
//! | channel_part | [`ChannelPart`]: a part of an activation that is mostly 0 |
//! | model | [`HookedModel`]: a model that runs with an observer |
//! | weights | [`Weights`]: a model whose matrices can be read |
//! | capture | [`Capture`], [`Captured`]: whole activations, to memory or safetensors |
//! | patch | [`Patch`], [`Alignment`]: activations of another run put into this one |
//! | wanted_sites | sites that were asked for, and which of them were reached |

pub(crate) mod capture;
pub(crate) mod channel_part;
pub(crate) mod model;
pub(crate) mod observer;
mod patch;
pub(crate) mod wanted_sites;
pub(crate) mod weights;

pub use self::capture::{Capture, Captured};
pub use self::channel_part::ChannelPart;
pub use self::model::HookedModel;
pub use self::observer::{Both, Edit, NoObserver, Observer};
pub use self::patch::{Alignment, Patch};
pub use self::weights::Weights;
