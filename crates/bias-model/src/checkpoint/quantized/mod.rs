//! Quantized safetensors: which tensors are one matrix together.
//!
//! [`Method`](method::Method) is read from `quantization_config` (`settings`), and says which tensors belong
//! together. `groups` finds them, checks their shapes and types, and puts the matrix that they make
//! in their place. The room `packed` reads such a matrix.
//!
//! | file | what for |
//! |---|---|
//! | method | the forms that are read |
//! | settings | `quantization_config`: the method it names, or why it is refused |
//! | compressed | the same of compressed-tensors |
//! | groups | tensors that belong together |

mod compressed;
pub(crate) mod groups;
pub(crate) mod method;
pub(crate) mod settings;
