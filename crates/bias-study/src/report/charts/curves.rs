//! Lines of methods over their budgets, as an SVG for the page.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{
    Area, Failure, GREY, GRID, INK, Shape, draw_mark, drawn, padded, text, tick, visible,
};
use crate::report::error::ReportError;
use crate::report::numbers::{percent, share};

/// A method at one budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub x: f64,
    pub y: f64,
    /// The interval of `y`.
    pub interval: Option<[f64; 2]>,
}

/// A method's line over its budgets.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub points: Vec<Point>,
    pub colour: RGBColor,
    pub shape: Shape,
    /// The label at its last point, which identifies the line without its colour.
    pub letter: String,
}

/// One axis of a chart with lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale<'a> {
    pub name: &'a str,
    pub range: (f64, f64),
    pub label: fn(f64) -> String,
}

/// The good end of the horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Best {
    /// More of it is better.
    High,
    /// Less of it is better.
    Low,
}

const CORNERS: [(HPos, i32, i32); 4] =
    [(HPos::Left, 8, -7), (HPos::Right, -8, -7), (HPos::Left, 8, 8), (HPos::Right, -8, 8)];
const SIZE: (u32, u32) = (360, 330);
const WIDE: (u32, u32) = (540, 380);

/// The vertical range of all curves and `origin`, no wider than `limit`.
pub(crate) fn range_of(curves: &[Curve], origin: f64, limit: (f64, f64)) -> (f64, f64) {
    let points = curves.iter().flat_map(|c| &c.points);
    padded(
        points.flat_map(|p| p.interval.unwrap_or([p.y; 2]).into_iter().chain([p.y])),
        origin,
        limit,
    )
}

/// The horizontal range.
pub(crate) fn range_along(curves: &[Curve], origin: f64, limit: (f64, f64)) -> (f64, f64) {
    padded(curves.iter().flat_map(|c| &c.points).map(|p| p.x), origin, limit)
}

/// Lines against the share of weights pruned, on a logarithmic axis.
///
/// # Errors
/// An error of plotters.
pub(crate) fn against_share(
    title: &str,
    curves: &[Curve],
    range: (f64, f64),
    in_percent: bool,
) -> Result<String, ReportError> {
    // A logarithm has no zero.
    let mut curves = curves.to_vec();
    curves.iter_mut().for_each(|c| c.points.retain(|p| p.x > 0.0 && p.y.is_finite()));
    let points = || curves.iter().flat_map(|c| &c.points);
    let low = points().map(|p| p.x).fold(1.0, f64::min) / 1.6;
    let high = points().map(|p| p.x).fold(low, f64::max) * 1.6;
    let x = Scale { name: "share of weights pruned", range: (low, high), label: share };
    let label = if in_percent { percent } else { tick };
    drawn(title, SIZE, |root| {
        lines(root, &curves, (low..high).log_scale(), x, Scale { name: "", range, label }, &[])
    })
}

/// Reduction against its cost: a line for each method, whiskers for intervals, and steps along the
/// masks that no other mask beats in both.
///
/// # Errors
/// An error of plotters.
pub(crate) fn against_cost(
    title: &str,
    curves: &[Curve],
    [x, y]: [Scale<'_>; 2],
    best: Best,
) -> Result<String, ReportError> {
    drawn(title, WIDE, |root| {
        let stairs = stairs(curves, best, [x, y]);
        lines(root, curves, x.range.0..x.range.1, x, y, &stairs)
    })
}

/// Whether each point of each curve is undominated: no other point is better in both.
pub(crate) fn undominated(curves: &[Curve], best: Best) -> Vec<Vec<bool>> {
    let sign = if best == Best::High { 1.0 } else { -1.0 };
    let whole = |p: &&Point| p.x.is_finite() && p.y.is_finite();
    let all: Vec<(f64, f64)> =
        curves.iter().flat_map(|c| &c.points).filter(whole).map(|p| (sign * p.x, p.y)).collect();
    let better = |(x, y): (f64, f64), p: (f64, f64)| x >= p.0 && y >= p.1 && (x > p.0 || y > p.1);
    let on = |p: &Point| whole(&p) && !all.iter().any(|other| better(*other, (sign * p.x, p.y)));
    curves.iter().map(|c| c.points.iter().map(on).collect()).collect()
}

/// The undominated points, from the least to the most useful.
fn stairs(curves: &[Curve], best: Best, [x, y]: [Scale<'_>; 2]) -> Vec<(f64, f64)> {
    let flags = undominated(curves, best);
    let points = curves.iter().zip(&flags).flat_map(|(c, flags)| c.points.iter().zip(flags));
    let mut front: Vec<(f64, f64)> =
        points.filter(|(_, on)| **on).map(|(p, _)| (p.x, p.y)).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut stairs: Vec<(f64, f64)> = Vec::new();
    for at in front {
        // Between two masks, what is surely reached is the worse of either.
        if let Some(&(before, height)) = stairs.last() {
            stairs.push(if best == Best::High { (before, at.1) } else { (at.0, height) });
        }
        stairs.push(at);
    }
    let inside =
        |(a, b): (f64, f64)| (a.clamp(x.range.0, x.range.1), b.clamp(y.range.0, y.range.1));
    stairs.into_iter().map(inside).collect()
}

fn lines<'a, X>(
    root: &Area<'a>,
    curves: &[Curve],
    along: X,
    x: Scale<'_>,
    y: Scale<'_>,
    stairs: &[(f64, f64)],
) -> Result<(), Failure<'a>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(root)
        .margin(6)
        .margin_right(18)
        .x_label_area_size(42)
        .y_label_area_size(if y.name.is_empty() { 46 } else { 62 })
        .build_cartesian_2d(along, y.range.0..y.range.1)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_labels(4)
        .y_labels(7)
        .x_desc(x.name)
        .label_style(text(13))
        .axis_desc_style(text(14))
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID);
    if !y.name.is_empty() {
        mesh.y_desc(y.name);
    }
    mesh.x_label_formatter(&|v| (x.label)(*v)).y_label_formatter(&|v| (y.label)(*v)).draw()?;
    if y.range.0 < 0.0 {
        chart.draw_series([PathElement::new(
            [(x.range.0, 0.0), (x.range.1, 0.0)],
            INK.stroke_width(1),
        )])?;
    }
    if stairs.len() > 1 {
        chart.draw_series([PathElement::new(stairs.to_vec(), GREY.mix(0.6).stroke_width(1))])?;
    }
    for (i, curve) in curves.iter().enumerate() {
        let colour = curve.colour;
        let mut inside: Vec<Point> = curve.points.clone();
        inside.retain(|p| p.x.is_finite() && p.y.is_finite());
        let beyond: Vec<bool> = inside
            .iter()
            .map(|p| p.x < x.range.0 || p.x > x.range.1 || p.y < y.range.0 || p.y > y.range.1)
            .collect();
        for p in &mut inside {
            p.x = p.x.clamp(x.range.0, x.range.1);
            p.y = p.y.clamp(y.range.0, y.range.1);
        }
        for p in &inside {
            if let Some([low, high]) = p.interval.filter(|i| i.iter().all(|v| v.is_finite())) {
                let ends = [low, high].map(|v| (p.x, v.clamp(y.range.0, y.range.1)));
                chart.draw_series([PathElement::new(ends, colour.mix(0.45).stroke_width(2))])?;
            }
        }
        let line = inside.iter().map(|p| (p.x, p.y));
        chart.draw_series(LineSeries::new(line, colour.mix(0.7).stroke_width(2)))?;
        for (p, beyond) in inside.iter().zip(beyond) {
            let colour = colour.mix(if beyond { 0.4 } else { 1.0 });
            draw_mark(root, chart.backend_coord(&(p.x, p.y)), curve.shape, colour)?;
        }
        if let Some(last) = inside.last().filter(|_| !curve.letter.is_empty()) {
            // In turn at one side and the other, so that letters of marks in one place do not hide
            // each other.
            let (side, across, up) = CORNERS[i % CORNERS.len()];
            let at = chart.backend_coord(&(last.x, last.y));
            let style = text(13).color(&colour).pos(Pos::new(side, VPos::Center));
            root.draw(&Text::new(visible(&curve.letter), (at.0 + across, at.1 + up), style))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Curve {
        let points = points
            .iter()
            .map(|&(x, y)| Point { x, y, interval: Some([y - 0.1, y + 0.1]) })
            .collect();
        Curve { points, colour: GREY, shape: Shape::Dot, letter: "A".into() }
    }

    #[test]
    fn masks_that_no_other_beats_in_both_stand_on_the_stairs() {
        let curves =
            [curve(&[(1.0, 0.2), (0.9, 0.1), (0.5, 0.9)]), curve(&[(0.8, 0.5), (f64::NAN, 1.0)])];
        let on = undominated(&curves, Best::High);
        assert_eq!(on, [vec![true, false, true], vec![true, false]]);
        // Where less is better, the same points stand elsewhere: here one beats all others.
        assert_eq!(undominated(&curves, Best::Low), [vec![false, false, true], vec![false, false]]);
        let scale = Scale { name: "", range: (0.0, 1.0), label: tick };
        let steps = [(0.5, 0.9), (0.5, 0.5), (0.8, 0.5), (0.8, 0.2), (1.0, 0.2)];
        assert_eq!(stairs(&curves, Best::High, [scale; 2]), steps);
        let more = [curve(&[(0.1, 0.2), (0.3, 0.6)])];
        assert_eq!(stairs(&more, Best::Low, [scale; 2]), [(0.1, 0.2), (0.3, 0.2), (0.3, 0.6)]);
    }

    #[test]
    fn what_is_not_a_number_is_not_drawn() {
        let curves = [curve(&[(0.0, 0.5), (f64::NAN, 0.5), (0.01, f64::NAN)]), curve(&[])];
        let scale = Scale { name: "x", range: (0.0, 1.0), label: percent };
        for svg in [
            against_share("t", &curves, (0.0, 1.0), true).unwrap(),
            against_cost("t", &curves, [scale; 2], Best::High).unwrap(),
        ] {
            assert!(!svg.contains("NaN") && svg.contains("<title>t</title>"), "{svg}");
        }
    }
}
