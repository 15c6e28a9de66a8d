use std::collections::BTreeMap;

use bias_mask::{BitMatrix, Mask};
use bias_types::ParamPath;

/// What weights must say of themselves to be read by transformers: their framework.
pub(super) fn framework() -> BTreeMap<String, String> {
    BTreeMap::from([("format".to_owned(), "pt".to_owned())])
}

/// The mask's bits of a tensor, by the name it has in the files.
pub(super) fn masked<'m>(mask: &'m Mask, name: &str) -> Option<(ParamPath, &'m BitMatrix)> {
    let path: ParamPath = name.parse().ok()?;
    let bits = mask.get(&path)?;
    Some((path, bits))
}
