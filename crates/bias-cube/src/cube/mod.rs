//! What runs on a GPU: cubek's kernels by shape, and our own.

pub(crate) mod count;
pub(crate) mod elementwise;
mod few;
mod layout;
pub(crate) mod norm;
pub(crate) mod product;
pub(crate) mod softmax;
pub(crate) mod tensors;
mod total;
