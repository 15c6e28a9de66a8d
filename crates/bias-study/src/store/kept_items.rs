use bias_files::hex;
use bias_frameworks::ItemSet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::StudyError;

/// A benchmark's items as they are kept: without their texts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptItems {
    /// The digest of the texts, which names the pieces with the items' scores.
    pub texts: String,
    pub set: ItemSet,
}

/// The names of a benchmark's pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemNames {
    /// The digest of all of it, labels too: the name of the piece with the items.
    pub items: String,
    /// The digest of the texts.
    pub texts: String,
}

impl KeptItems {
    pub(crate) fn of(set: &ItemSet) -> Self {
        Self { texts: set.digest(), set: set.without_texts() }
    }

    pub(crate) fn names(&self) -> Result<ItemNames, StudyError> {
        let json = serde_json::to_vec(self)
            .map_err(|e| StudyError::Write { path: "items".into(), source: e.into() })?;
        Ok(ItemNames { items: hex(&Sha256::digest(json)), texts: self.texts.clone() })
    }
}
