//! Quantized safetensors: which tensors are one matrix together.
//!
//! [`Method`](method::Method) is read from `quantization_config`, and says which tensors belong
//! together. `groups` finds them, checks their shapes and types, and puts the matrix that they make
//! in their place. The room `packed` reads such a matrix.
//!
//! | file | what for |
//! |---|---|
//! | method | `quantization_config`: the forms that are read, and why others are refused |
//! | compressed | the same of compressed-tensors |
//! | groups | tensors that belong together |

mod compressed;
pub(crate) mod groups;
pub(crate) mod method;
