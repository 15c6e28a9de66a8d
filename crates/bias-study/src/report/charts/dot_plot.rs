//! Dot plots with intervals.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{
    GREY, GRID, INK, Shape, draw_mark, drawn, padded, summary, text, tick, visible,
};
use crate::report::error::ReportError;
use crate::report::numbers::percent;
use crate::report::words::short;

const ROW: u32 = 23;
const HEADER: u32 = 18;

/// A value with its interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub value: f64,
    pub interval: Option<[f64; 2]>,
    pub shape: Shape,
    pub colour: RGBColor,
}

/// One row of a dot plot.
#[derive(Debug, Clone)]
pub(crate) struct DotRow {
    pub label: String,
    pub marks: Vec<Mark>,
    /// The notes at the right end, one for each of the axis's columns.
    pub notes: Vec<String>,
}

impl DotRow {
    fn is_summary(&self) -> bool {
        self.marks.iter().any(|mark| mark.shape == Shape::Summary)
    }
}

/// The horizontal axis of a dot plot, and its margins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis<'a> {
    pub name: &'a str,
    pub range: (f64, f64),
    pub percent: bool,
    pub width: u32,
    /// Pixels for labels on the left and notes on the right.
    pub margins: (u32, u32),
    /// The titles of the notes, column by column.
    pub columns: &'a [&'a str],
}

/// The range of all marks and zero, no wider than `limit`.
pub(crate) fn range_of<'a>(
    rows: impl IntoIterator<Item = &'a DotRow>,
    limit: (f64, f64),
) -> (f64, f64) {
    let marks = rows.into_iter().flat_map(|r| &r.marks);
    let ends = marks.flat_map(|m| m.interval.unwrap_or([m.value; 2]).into_iter().chain([m.value]));
    padded(ends, 0.0, limit)
}

/// A dot plot with intervals. Screen readers read `title`.
///
/// # Errors
/// An error of plotters.
pub(crate) fn dot_plot(title: &str, rows: &[DotRow], axis: Axis) -> Result<String, ReportError> {
    let size = (axis.width, ROW * rows.len() as u32 + 54 + HEADER);
    let column = i32::try_from(axis.margins.1).unwrap_or(0)
        / i32::try_from(axis.columns.len()).unwrap_or(1).max(1);
    drawn(title, size, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin_left(axis.margins.0)
            .margin_right(axis.margins.1)
            .margin_top(4 + HEADER)
            .x_label_area_size(44)
            .build_cartesian_2d(axis.range.0..axis.range.1, 0.0..rows.len() as f64)?;
        let label = |x: &f64| if axis.percent { percent(*x) } else { tick(*x) };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_labels((axis.width - axis.margins.0 - axis.margins.1) as usize / 62)
            .x_label_formatter(&label)
            .x_desc(axis.name)
            .label_style(text(13))
            .axis_desc_style(text(14))
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(GRID)
            .draw()?;
        let zero = [(0.0, 0.0), (0.0, rows.len() as f64)];
        chart.draw_series([PathElement::new(zero, INK.stroke_width(1))])?;
        let right = Pos::new(HPos::Right, VPos::Center);
        let note = text(13).color(&GREY).pos(Pos::new(HPos::Left, VPos::Center));
        let notes = chart.backend_coord(&(axis.range.1, 0.0)).0 + 10;
        for (at, header) in (0..).map(|i| notes + i * column).zip(axis.columns) {
            root.draw(&Text::new((*header).to_owned(), (at, 12), note.clone()))?;
        }
        for (i, row) in rows.iter().enumerate() {
            let middle = rows.len() as f64 - i as f64 - 0.5;
            let (left, y) = chart.backend_coord(&(axis.range.0, middle));
            let characters = axis.margins.0 as usize / 8;
            root.draw(&Text::new(
                visible(&short(&row.label, characters)),
                (left - 10, y),
                text(14).pos(right),
            ))?;
            for (at, said) in (0..).map(|i| notes + i * column).zip(&row.notes) {
                root.draw(&Text::new(visible(said), (at, y), note.clone()))?;
            }
            if row.is_summary()
                && !i.checked_sub(1).and_then(|i| rows.get(i)).is_some_and(DotRow::is_summary)
            {
                let above = [(axis.range.0, middle + 0.5), (axis.range.1, middle + 0.5)];
                chart.draw_series([PathElement::new(above, GREY.stroke_width(1))])?;
            }
            // Marks of one row stand a little above each other, but for strokes.
            let standing = row.marks.iter().filter(|m| m.shape != Shape::Tick).count() as f64;
            let mut above = 0.16 * (standing - 1.0);
            for mark in &row.marks {
                let y = if mark.shape == Shape::Tick { middle } else { middle + above };
                above -= if mark.shape == Shape::Tick { 0.0 } else { 0.32 };
                let inside = |x: f64| x.clamp(axis.range.0, axis.range.1);
                let interval = mark.interval.filter(|i| i.iter().all(|x| x.is_finite()));
                if mark.shape == Shape::Summary {
                    let [low, high] = interval.unwrap_or([mark.value; 2]).map(inside);
                    if mark.value.is_finite() {
                        let at = |x| chart.backend_coord(&(x, y));
                        summary(root, [at(low), at(inside(mark.value)), at(high)], mark.colour)?;
                    }
                    continue;
                }
                if let Some([low, high]) = interval {
                    let line = [(inside(low), y), (inside(high), y)];
                    chart.draw_series([PathElement::new(
                        line,
                        mark.colour.mix(0.65).stroke_width(2),
                    )])?;
                }
                if mark.value.is_finite() {
                    let beyond = mark.value != inside(mark.value);
                    let at = chart.backend_coord(&(inside(mark.value), y));
                    draw_mark(
                        root,
                        at,
                        mark.shape,
                        if beyond { mark.colour.mix(0.4) } else { mark.colour.mix(1.0) },
                    )?;
                }
            }
        }
        Ok(())
    })
}
