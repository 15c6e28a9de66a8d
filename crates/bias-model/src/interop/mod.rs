//! To and from transformers: folders that it can load, and how far its numbers are from ours.
//!
//! | file | what for |
//! |---|---|
//! | export | [`export_masked`], [`save_pretrained`]: Hugging Face folders, whole or not at all |
//! | gguf_folder | a Hugging Face folder of a GGUF file, weights dequantized |
//! | weights_file | which framework weights name, and a mask's bits of a stored tensor |
//! | to_tensors | [`Decoder::to_tensors`](crate::Decoder::to_tensors): a model in its checkpoint's own layout |
//! | named_tensor | [`NamedTensor`]: a tensor under its Hugging Face name |
//! | reference | [`Reference`], [`Parity`]: what transformers computes, to hold a model against |

mod export;
mod gguf_folder;
mod named_tensor;
mod reference;
mod to_tensors;
mod weights_file;

pub use self::export::{export_masked, save_pretrained};
pub use self::named_tensor::NamedTensor;
pub use self::reference::{Parity, Reference};
