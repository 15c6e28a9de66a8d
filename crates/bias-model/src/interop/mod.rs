//! To and from transformers: folders that it can load, and comparisons of its numbers with ours.
//!
//! | file | what for |
//! |---|---|
//! | export | [`export_masked`], [`save_pretrained`], [`save_changed`]: Hugging Face folders, whole or not at all |
//! | gguf_folder | a Hugging Face folder from a GGUF file, with dequantized weights |
//! | unpacked | dequantized and merged weights, as transformers writes them |
//! | weights_file | the framework that weights name, and a mask's bits for a stored tensor |
//! | to_tensors | [`Decoder::to_tensors`](crate::Decoder::to_tensors): a model in its checkpoint's own layout |
//! | named_tensor | [`NamedTensor`]: a tensor under its Hugging Face name |
//! | reference | [`Reference`], [`Parity`]: transformers' results, to compare a model with |

mod export;
mod gguf_folder;
mod named_tensor;
mod reference;
mod to_tensors;
mod unpacked;
mod weights_file;

pub use self::export::{export_masked, save_changed, save_pretrained};
pub use self::named_tensor::NamedTensor;
pub use self::reference::{Parity, Reference};
