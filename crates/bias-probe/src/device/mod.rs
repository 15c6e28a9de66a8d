//! Properties of a device: the type it computes in, sums in f32 on it, where its tensors are, and
//! how many logits are made at a time.
//!
//! | file | what for |
//! |---|---|
//! | float | [`to_f32`], [`f32_from`], [`compute_dtype`]: sums and norms in f32 where a device computes in bf16 |
//! | readback | [`read_back`]: a tensor's values on the host |
//! | memory | [`Memory`]: where a device's tensors are |
//! | logits | [`LOGITS_AT_ONCE`]: how many logits are made at a time |

pub(crate) mod float;
mod logits;
mod memory;
pub(crate) mod readback;

pub use self::float::{compute_dtype, f32_from, to_f32};
pub use self::logits::LOGITS_AT_ONCE;
pub use self::memory::Memory;
pub use self::readback::read_back;
