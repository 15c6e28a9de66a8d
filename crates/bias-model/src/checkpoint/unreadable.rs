use std::fmt::Display;
use std::path::Path;

use crate::error::ModelError;

/// Why the values of a tensor cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A value is NaN or infinite.
    NotFinite,
    /// The bytes do not become values; the reason in the words of their reader.
    Dequantize(String),
}

impl Unreadable {
    /// The type of the tensor cannot be read.
    pub(crate) fn kind(kind: impl Display) -> Self {
        Self::Dequantize(format!("values of the type {kind} are not read"))
    }

    /// The error that names the file and the tensor.
    pub(crate) fn of(self, path: &Path, tensor: &str) -> ModelError {
        let (path, tensor) = (path.into(), tensor.into());
        match self {
            Self::NotFinite => ModelError::NotFinite { path, tensor },
            Self::Dequantize(reason) => ModelError::Dequantize { path, tensor, reason },
        }
    }
}
