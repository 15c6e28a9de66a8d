//! Finished work, kept once: a study's folder, its pieces, and their provenance.

mod dial_found;
mod folder;
mod found;
mod kept_items;
mod merge;
mod pieces;
mod provenance;
mod record;

pub(crate) use self::dial_found::{CHOSE_NOTHING, DialFound, Dialled};
pub use self::folder::FIGURES;
pub(crate) use self::folder::{MASKS, PIECES, PROMPTS, PROVENANCE};
pub(crate) use self::found::{Found, JobFound};
pub(crate) use self::kept_items::{ItemNames, KeptItems};
pub use self::merge::merge;
pub(crate) use self::pieces::{Piece, Store, piece_name};
pub use self::provenance::{Audited, NUMBERS, Program, Provenance, Run};
pub(crate) use self::record::Record;
pub use crate::save::write;
