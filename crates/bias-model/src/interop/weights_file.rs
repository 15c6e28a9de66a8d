use std::collections::BTreeMap;

use bias_mask::{BitMatrix, Mask};
use bias_types::ParamPath;

/// The framework that weights must name so that transformers can read them.
pub(super) fn framework() -> BTreeMap<String, String> {
    BTreeMap::from([("format".to_owned(), "pt".to_owned())])
}

/// The mask's bits for a tensor, by its name in the files.
pub(super) fn masked<'m>(mask: &'m Mask, name: &str) -> Option<(ParamPath, &'m BitMatrix)> {
    let path: ParamPath = name.parse().ok()?;
    let bits = mask.get(&path)?;
    Some((path, bits))
}
