//! Drawings as SVG: dot plots, box plots, curves.

mod box_plot;
mod canvas;
pub(super) mod curves;
mod dot_plot;

pub(crate) use self::box_plot::{Pair, box_plot};
pub(crate) use self::canvas::{BLUE, GREY, INK, ORANGE, Shape, method_colour, shade};
pub(crate) use self::canvas::{hex, standing_alone};
pub(crate) use self::dot_plot::{Axis, DotRow, Mark};
pub(crate) use self::dot_plot::{dot_plot, range_of};
