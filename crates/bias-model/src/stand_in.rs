use std::path::Path;

use bias_files::stand_in;

use crate::error::ModelError;

/// Refuses a file that stands in for another: a pointer of Git LFS, or a web page.
pub(crate) fn refuse(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    match stand_in(bytes) {
        None => Ok(()),
        Some(own) => Err(ModelError::OtherForm {
            path: path.into(),
            found: own.found.into(),
            advice: own.advice.into(),
        }),
    }
}
