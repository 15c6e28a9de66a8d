//! Quantized safetensors: several tensors that are one matrix together.
//!
//! [`Method`](method::Method) is read from `quantization_config`, and says which tensors belong
//! together. `groups` finds them, checks their shapes and types, and puts the matrix that they make
//! in their place. Its values are computed in f32 whenever they are read, a piece of a row at a
//! time.
//!
//! | file | what for |
//! |---|---|
//! | method | `quantization_config`: the forms that are read, and why others are refused |
//! | compressed | the same of compressed-tensors |
//! | groups | tensors that belong together |
//! | scheme | [`Scheme`](scheme::Scheme): how a group becomes a matrix |
//! | float | the types of scales |
//! | scaled | 8-bit floats and integers with a scale for every block |
//! | mxfp4 | 4-bit floats with a power of two for every 32 values |
//! | gptq, awq | integers in words of 32 bits, with scales and zero points |
//! | bnb | bitsandbytes: 4-bit codes of a table |

mod awq;
mod bnb;
mod compressed;
mod float;
mod gptq;
pub(crate) mod groups;
pub(crate) mod method;
pub(crate) mod mxfp4;
mod scaled;
pub(crate) mod scheme;
