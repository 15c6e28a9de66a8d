use crate::items::item::Item;
use crate::items::set::LeftOut;

/// What a reader finds in a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub items: Vec<Item>,
    pub left_out: Vec<LeftOut>,
}
