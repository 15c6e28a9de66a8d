//! Charts as SVG that stands in a page, and the colours of heat maps.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::ReportError;
use crate::tables::{percent, share, short};

/// Blue and orange: told apart with any colour vision, and in grey.
pub(crate) const BLUE: RGBColor = RGBColor(0, 94, 162);
pub(crate) const ORANGE: RGBColor = RGBColor(204, 85, 0);
pub(crate) const GREY: RGBColor = RGBColor(120, 120, 120);
const INK: RGBColor = RGBColor(34, 34, 34);
const GRID: RGBColor = RGBColor(226, 226, 222);
/// Okabe and Ito's, the light ones darkened to be read on white.
const METHODS: [RGBColor; 9] = [
    RGBColor(0, 94, 162),
    RGBColor(70, 160, 210),
    RGBColor(0, 130, 95),
    RGBColor(204, 85, 0),
    RGBColor(170, 80, 140),
    RGBColor(120, 100, 20),
    RGBColor(60, 60, 60),
    RGBColor(200, 40, 60),
    RGBColor(150, 150, 150),
];
const FONT: &str = "sans-serif";
const ROW: u32 = 23;

/// How a mark looks: by shape as well as by colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Dot,
    Diamond,
    /// A short upright stroke.
    Tick,
}

/// A value with its interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub value: f64,
    pub interval: Option<[f64; 2]>,
    pub shape: Shape,
    pub colour: RGBColor,
}

/// One line of a dot plot.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub label: String,
    pub marks: Vec<Mark>,
    /// Said at the right end.
    pub note: String,
}

/// The horizontal axis of a dot plot, and its room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis<'a> {
    pub name: &'a str,
    pub range: (f64, f64),
    pub percent: bool,
    pub width: u32,
    /// Pixels for labels on the left and notes on the right.
    pub margins: (u32, u32),
}

/// A method's line against the share of weights pruned.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub points: Vec<(f64, f64)>,
    pub colour: RGBColor,
    pub shape: Shape,
}

/// The colour of the `index`th method.
pub(crate) fn method_colour(index: usize) -> RGBColor {
    METHODS.get(index % METHODS.len()).copied().unwrap_or(GREY)
}

/// `#rrggbb`
pub(crate) fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The style of a heat map's cell: blue for positive, orange for negative, white for none;
/// the text in black or white, whichever is read more easily.
pub(crate) fn shade(value: f64) -> String {
    if !value.is_finite() {
        return "background:#f1f1ee;color:#555".into();
    }
    let end = if value < 0.0 { RGBColor(196, 78, 0) } else { RGBColor(0, 80, 145) };
    let depth = value.abs().min(1.0);
    let mix = |c: u8| (255.0 + (f64::from(c) - 255.0) * depth).round() as u8;
    let ground = RGBColor(mix(end.0), mix(end.1), mix(end.2));
    let linear = |c: u8| (f64::from(c) / 255.0).powf(2.2);
    let luminance = 0.2126 * linear(ground.0) + 0.7152 * linear(ground.1) + 0.0722 * linear(ground.2);
    let text = if luminance > 0.18 { "#111" } else { "#fff" };
    format!("background:{};color:{text}", hex(ground))
}

/// The range that holds all marks and zero, no wider than `limit`.
pub(crate) fn range_of<'a>(rows: impl IntoIterator<Item = &'a Row>, limit: (f64, f64)) -> (f64, f64) {
    let marks = rows.into_iter().flat_map(|r| &r.marks);
    let ends = marks.flat_map(|m| m.interval.unwrap_or([m.value; 2]).into_iter().chain([m.value]));
    padded(ends, 0.0, limit)
}

/// The range that holds all curves and `origin`.
pub(crate) fn range_of_curves<'a>(curves: impl IntoIterator<Item = &'a Curve>, origin: f64) -> (f64, f64) {
    padded(curves.into_iter().flat_map(|c| &c.points).map(|p| p.1), origin, (-1.0, 1.02))
}

fn padded(values: impl Iterator<Item = f64>, origin: f64, limit: (f64, f64)) -> (f64, f64) {
    let ends =
        values.filter(|v| v.is_finite()).fold((origin, origin), |(low, high), v| (v.min(low), v.max(high)));
    let pad = if ends.1 > ends.0 { (ends.1 - ends.0) * 0.04 } else { 0.1 };
    ((ends.0 - pad).max(limit.0), (ends.1 + pad).min(limit.1))
}

/// A dot plot with intervals: `title` is read to those who do not see it.
///
/// # Errors
/// Plotters cannot draw it.
pub(crate) fn dots(title: &str, rows: &[Row], axis: Axis) -> Result<String, ReportError> {
    let size = (axis.width, ROW * rows.len() as u32 + 54);
    drawn(title, size, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin_left(axis.margins.0)
            .margin_right(axis.margins.1)
            .margin_top(4)
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
        for (i, row) in rows.iter().enumerate() {
            let middle = rows.len() as f64 - i as f64 - 0.5;
            let (left, y) = chart.backend_coord(&(axis.range.0, middle));
            let at_right = chart.backend_coord(&(axis.range.1, middle)).0 + 10;
            let characters = axis.margins.0 as usize / 8;
            root.draw(&Text::new(short(&row.label, characters), (left - 10, y), text(14).pos(right)))?;
            let note = text(13).color(&GREY).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(row.note.clone(), (at_right, y), note))?;
            // Marks of one row stand a little above each other, but for strokes.
            let standing = row.marks.iter().filter(|m| m.shape != Shape::Tick).count() as f64;
            let mut above = 0.16 * (standing - 1.0);
            for mark in &row.marks {
                let y = if mark.shape == Shape::Tick { middle } else { middle + above };
                above -= if mark.shape == Shape::Tick { 0.0 } else { 0.32 };
                let inside = |x: f64| x.clamp(axis.range.0, axis.range.1);
                if let Some([low, high]) = mark.interval.filter(|i| i.iter().all(|x| x.is_finite())) {
                    let line = [(inside(low), y), (inside(high), y)];
                    chart.draw_series([PathElement::new(line, mark.colour.mix(0.65).stroke_width(2))])?;
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

/// Lines against the share of weights pruned, on a logarithmic axis.
///
/// # Errors
/// Plotters cannot draw it.
pub(crate) fn against_share(
    title: &str,
    curves: &[Curve],
    range: (f64, f64),
    in_percent: bool,
) -> Result<String, ReportError> {
    let points = || curves.iter().flat_map(|c| &c.points).filter(|p| p.0 > 0.0 && p.1.is_finite());
    let low = points().map(|p| p.0).fold(1.0, f64::min) / 1.6;
    let high = points().map(|p| p.0).fold(low, f64::max) * 1.6;
    drawn(title, (360, 330), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(14)
            .x_label_area_size(42)
            .y_label_area_size(46)
            .build_cartesian_2d((low..high).log_scale(), range.0..range.1)?;
        let label = |y: &f64| if in_percent { percent(*y) } else { tick(*y) };
        chart
            .configure_mesh()
            .x_labels(4)
            .y_labels(7)
            .x_label_formatter(&|x| share(*x))
            .y_label_formatter(&label)
            .x_desc("share of weights pruned")
            .label_style(text(13))
            .axis_desc_style(text(14))
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(GRID)
            .draw()?;
        if range.0 < 0.0 {
            chart.draw_series([PathElement::new([(low, 0.0), (high, 0.0)], INK.stroke_width(1))])?;
        }
        for curve in curves {
            let mut inside: Vec<(f64, f64)> = curve.points.iter().copied().filter(|p| p.0 > 0.0).collect();
            inside.retain(|p| p.1.is_finite());
            for point in &mut inside {
                point.1 = point.1.clamp(range.0, range.1);
            }
            chart.draw_series(LineSeries::new(inside.clone(), curve.colour.mix(0.7).stroke_width(2)))?;
            for point in &inside {
                draw_mark(root, chart.backend_coord(point), curve.shape, curve.colour.mix(1.0))?;
            }
        }
        Ok(())
    })
}

/// A picture of its own: with the namespace that files need, and names under it in their curves' colours.
pub(crate) fn standing_alone(chart: &str, names: &[(&str, RGBColor)]) -> String {
    const LINE: usize = 17;
    const ABREAST: usize = 2;
    let Some((size, rest)) = chart.split_once("viewBox=\"0 0 ").and_then(|(_, rest)| rest.split_once('"'))
    else {
        return chart.into();
    };
    let (width, height) = size.split_once(' ').unwrap_or((size, "0"));
    let [width, height] = [width, height].map(|n| n.parse::<usize>().unwrap_or_default());
    let legend = names.iter().enumerate().map(|(i, (name, colour))| {
        let name = escaped(name);
        let (x, y) = (46 + i % ABREAST * width / ABREAST, height + 12 + i / ABREAST * LINE);
        format!(
            "<text x=\"{x}\" y=\"{y}\" font-family=\"{FONT}\" font-size=\"13\" fill=\"{}\">● {name}</text>",
            hex(*colour)
        )
    });
    let body = rest.strip_suffix("</svg>\n").or_else(|| rest.strip_suffix("</svg>")).unwrap_or(rest);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\"{body}{}</svg>\n",
        height + names.len().div_ceil(ABREAST) * LINE + 6,
        legend.collect::<String>()
    )
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn draw_mark<'a>(
    root: &Area<'a>,
    at: (i32, i32),
    shape: Shape,
    colour: RGBAColor,
) -> Result<(), Failure<'a>> {
    let around = |offsets: &[(i32, i32)]| -> Vec<(i32, i32)> {
        offsets.iter().map(|(x, y)| (at.0 + x, at.1 + y)).collect()
    };
    match shape {
        Shape::Dot => root.draw(&Circle::new(at, 5, colour.filled())),
        Shape::Diamond => {
            let corners = around(&[(0, -6), (6, 0), (0, 6), (-6, 0)]);
            root.draw(&Polygon::new(corners.clone(), WHITE))?;
            let outline: Vec<_> = corners.iter().chain(&corners).take(6).copied().collect();
            root.draw(&PathElement::new(outline, colour.stroke_width(2)))
        }
        Shape::Tick => root.draw(&PathElement::new(around(&[(0, -7), (0, 7)]), colour.stroke_width(2))),
    }
}

fn text(size: u32) -> TextStyle<'static> {
    // Plotters writes sizes divided by 1.24.
    (FONT, f64::from(size) * 1.24).into_font().color(&INK)
}

fn tick(value: f64) -> String {
    let text = crate::tables::fixed(value, 2);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// Runs `draw` on an empty picture and turns it into one that scales with the page.
fn drawn(
    title: &str,
    (width, height): (u32, u32),
    draw: impl for<'a> FnOnce(&Area<'a>) -> Result<(), Failure<'a>>,
) -> Result<String, ReportError> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
    let done = draw(&root).and_then(|()| root.present());
    drop(root);
    done.map_err(|error| ReportError::Chart { chart: title.into(), reason: error.to_string() })?;
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let title = escaped(title);
    Ok(format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">{body}"))
}

/// A label from somebody's file, as text of a picture.
fn escaped(label: &str) -> String {
    let of = |c| match c {
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '&' => "&amp;".into(),
        '"' => "&quot;".into(),
        c => String::from(c),
    };
    label.chars().map(of).collect()
}
