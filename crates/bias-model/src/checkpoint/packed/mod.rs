//! Matrices that are stored in several quantized tensors: their values, computed in f32 whenever
//! they are read, a piece of a row at a time.
//!
//! | file | what for |
//! |---|---|
//! | scheme | [`Scheme`](scheme::Scheme): how the tensors become a matrix |
//! | float | the types of scales |
//! | scaled | 8-bit floats and integers with a scale for every block |
//! | mxfp4 | 4-bit floats with a power of two for every 32 values |
//! | gptq, awq, words | integers in words of 32 bits, with scales and zero points |
//! | bnb | bitsandbytes: 4-bit codes of a table |

mod awq;
pub(crate) mod bnb;
pub(crate) mod float;
pub(crate) mod gptq;
pub(crate) mod mxfp4;
pub(crate) mod scaled;
pub(crate) mod scheme;
mod words;
