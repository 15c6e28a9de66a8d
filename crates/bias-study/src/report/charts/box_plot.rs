//! Two groups' answers side by side, as an SVG for the page.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Area, BLUE, Failure, GREY, GRID, INK, ORANGE, drawn, text, visible};
use crate::report::error::ReportError;
use crate::report::numbers::{DASH, amount};
use crate::report::words::short;

/// The quantiles of both groups' answers to one question: 5, 25, 50, 75 and 95 %.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub label: String,
    pub groups: [Option<[f64; 5]>; 2],
}

const WIDTH: i32 = 540;
const ROW: i32 = 50;
const LEFT: i32 = 160;
const RIGHT: i32 = WIDTH - 96;
const HEADER: i32 = 22;

/// A box from the lower to the upper quartile with a line at the median and whiskers from 5 to 95
/// %, for both groups, one below the other. Every question has its own scale, whose ends are
/// written below.
///
/// # Errors
/// An error of plotters.
pub(crate) fn box_plot(title: &str, pairs: &[Pair]) -> Result<String, ReportError> {
    let height = HEADER + ROW * i32::try_from(pairs.len()).unwrap_or(0) + 4;
    drawn(title, (WIDTH.unsigned_abs(), height.unsigned_abs()), |root| {
        let grey = text(13).color(&GREY);
        let left = Pos::new(HPos::Left, VPos::Center);
        root.draw(&Text::new("median".to_owned(), (RIGHT + 14, 11), grey.pos(left)))?;
        for (top, pair) in (0..).map(|i| HEADER + i * ROW).zip(pairs) {
            row(root, top, pair)?;
        }
        Ok(())
    })
}

fn row<'a>(root: &Area<'a>, top: i32, pair: &Pair) -> Result<(), Failure<'a>> {
    let [right, left] = [HPos::Right, HPos::Left].map(|h| Pos::new(h, VPos::Center));
    let label = visible(&short(&pair.label, LEFT.unsigned_abs() as usize / 8));
    root.draw(&Text::new(label, (LEFT - 12, top + 16), text(14).pos(right)))?;
    let ends = pair.groups.iter().flatten().flatten().copied().filter(|v| v.is_finite());
    let (low, high) =
        ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let floor = top + ROW - 15;
    root.draw(&PathElement::new([(LEFT, floor), (RIGHT, floor)], GRID.stroke_width(1)))?;
    let small = text(11).color(&GREY);
    if low <= high {
        let [lowest, highest] = [left, right].map(|pos| small.pos(pos));
        if low < high {
            root.draw(&Text::new(amount(low), (LEFT, floor + 8), lowest))?;
            root.draw(&Text::new(amount(high), (RIGHT, floor + 8), highest))?;
        } else {
            let middle = small.pos(Pos::new(HPos::Center, VPos::Center));
            let said = format!("always {}", amount(low));
            root.draw(&Text::new(said, (i32::midpoint(LEFT, RIGHT), floor + 8), middle))?;
        }
    }
    // A point without a width of its own stands in the middle.
    let across = |v: f64| {
        let part = if low < high { (v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { 0.5 };
        LEFT + (part * f64::from(RIGHT - LEFT)).round() as i32
    };
    for ((middle, group), filled) in
        [top + 8, top + 24].into_iter().zip(&pair.groups).zip([true, false])
    {
        let colour = if filled { BLUE } else { ORANGE };
        let said = group.filter(|q| q.iter().all(|v| v.is_finite()));
        let median = said.map_or(DASH.into(), |[_, _, median, ..]| amount(median));
        root.draw(&Text::new(median, (RIGHT + 14, middle), text(13).color(&colour).pos(left)))?;
        let Some([least, lower, median, upper, most]) = said.map(|q| q.map(across)) else {
            continue;
        };
        root.draw(&PathElement::new([(least, middle), (most, middle)], colour.stroke_width(1)))?;
        let corners = [(lower, middle - 5), (upper.max(lower + 1), middle + 5)];
        root.draw(&Rectangle::new(
            corners,
            if filled { colour.mix(0.75).filled() } else { WHITE.filled() },
        ))?;
        root.draw(&Rectangle::new(corners, colour.stroke_width(1)))?;
        root.draw(&PathElement::new(
            [(median, middle - 7), (median, middle + 7)],
            INK.stroke_width(2),
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_and_the_widest_ones_are_drawn() {
        let pair = |groups| Pair { label: "a".into(), groups };
        let alike = pair([Some([3.0; 5]), None]);
        let wide = pair([Some([f64::MIN, -1.0, 0.0, 1.0, f64::MAX]), Some([0.0; 5])]);
        let svg = box_plot("t", &[alike, wide, pair([None, None])]).unwrap();
        assert!(svg.contains("always 3") && !svg.contains("NaN"));
    }
}
