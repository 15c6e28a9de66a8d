//! What runs on a GPU: cubek's kernels by shape, and our own. Each takes tensors of one runtime and
//! gives `None` for layouts that it does not know.
//!
//! | file | what for |
//! |---|---|
//! | product | which kernel multiplies which shapes |
//! | few_rows | a few rows by a large matrix |
//! | norm, softmax | a norm, a softmax of each row |
//! | elementwise | what is done number by number, in one pass |
//! | count | how many numbers reach a threshold |
//! | total | sums over a cube |
//! | layout | how tensors lie in memory, and how many cubes go over them |
//! | tensors | tensors of any backend as what they are on a GPU, and back |

pub(crate) mod count;
pub(crate) mod elementwise;
mod few_rows;
mod layout;
pub(crate) mod norm;
pub(crate) mod product;
pub(crate) mod softmax;
pub(crate) mod tensors;
mod total;
