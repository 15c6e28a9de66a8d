//! Drawings as SVG: dots, boxes, curves.

mod boxes;
mod canvas;
pub(super) mod curves;
mod dots;

pub(crate) use self::boxes::{Pair, boxes};
pub(crate) use self::canvas::{BLUE, GREY, INK, ORANGE, Shape, method_colour, shade};
pub(crate) use self::canvas::{hex, standing_alone};
pub(crate) use self::dots::{Axis, Mark, Row};
pub(crate) use self::dots::{dots, range_of};
