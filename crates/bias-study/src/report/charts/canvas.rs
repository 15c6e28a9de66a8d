//! The common parts of all drawings: an SVG for the page, marks and colours.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::report::error::ReportError;
use crate::report::numbers::fixed;

/// Blue and orange, which differ with any colour vision, and in grey.
pub(crate) const BLUE: RGBColor = RGBColor(0, 94, 162);
pub(crate) const ORANGE: RGBColor = RGBColor(204, 85, 0);
pub(crate) const GREY: RGBColor = RGBColor(120, 120, 120);
pub(crate) const INK: RGBColor = RGBColor(34, 34, 34);
pub(crate) const GRID: RGBColor = RGBColor(226, 226, 222);
/// Okabe and Ito's colours, the light ones darkened so that they are legible on white.
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

/// The position of the text under a picture.
const MARGIN: usize = 46;

/// The style of a mark: its shape as well as its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Dot,
    /// A hollow dot.
    Ring,
    Diamond,
    /// A short upright stroke.
    Tick,
    /// A filled diamond as wide as its interval, as at the end of forest plots.
    Summary,
}

/// The colour of the `index`th method.
pub(crate) fn method_colour(index: usize) -> RGBColor {
    METHODS.get(index % METHODS.len()).copied().unwrap_or(GREY)
}

/// `#rrggbb`
pub(crate) fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The style of a heat map's cell: blue for positive, orange for negative, white for none. The text
/// is black or white, whichever is easier to read.
pub(crate) fn shade(value: f64) -> String {
    if !value.is_finite() {
        return "background:#f1f1ee;color:#555".into();
    }
    let end = if value < 0.0 { RGBColor(196, 78, 0) } else { RGBColor(0, 80, 145) };
    let depth = value.abs().min(1.0);
    let mix = |c: u8| (255.0 + (f64::from(c) - 255.0) * depth).round() as u8;
    let ground = RGBColor(mix(end.0), mix(end.1), mix(end.2));
    let linear = |c: u8| (f64::from(c) / 255.0).powf(2.2);
    let luminance =
        0.2126 * linear(ground.0) + 0.7152 * linear(ground.1) + 0.0722 * linear(ground.2);
    let text = if luminance > 0.18 { "#111" } else { "#fff" };
    format!("background:{};color:{text}", hex(ground))
}

/// The range of all finite values and `origin`, no wider than `limit`.
pub(crate) fn padded(
    values: impl Iterator<Item = f64>,
    origin: f64,
    limit: (f64, f64),
) -> (f64, f64) {
    let ends = values
        .filter(|v| v.is_finite())
        .fold((origin, origin), |(low, high), v| (v.min(low), v.max(high)));
    let pad = if ends.1 > ends.0 { (ends.1 - ends.0) * 0.04 } else { 0.1 };
    ((ends.0 - pad).max(limit.0), (ends.1 + pad).min(limit.1))
}

/// A picture as a file: with the namespace that files need, and a legend of its marks below, each
/// in its colour.
pub(crate) fn standing_alone(chart: &str, key: &[(String, RGBColor)]) -> String {
    const LINE: usize = 17;
    const CHARACTER: usize = 7;
    let Some((size, rest)) =
        chart.split_once("viewBox=\"0 0 ").and_then(|(_, rest)| rest.split_once('"'))
    else {
        return chart.into();
    };
    let (width, height) = size.split_once(' ').unwrap_or((size, "0"));
    let [width, height] = [width, height].map(|n| n.parse::<usize>().unwrap_or_default());
    let longest = key.iter().map(|(said, _)| said.chars().count()).max().unwrap_or_default();
    let abreast = (width.saturating_sub(MARGIN) / (longest * CHARACTER + 12)).clamp(1, 4);
    let legend = key.iter().enumerate().map(|(i, (said, colour))| {
        let (x, y) = (MARGIN + i % abreast * (width - MARGIN) / abreast, height + 12 + i / abreast * LINE);
        format!(
            "<text x=\"{x}\" y=\"{y}\" font-family=\"{FONT}\" font-size=\"13\" fill=\"{}\">{}</text>",
            hex(*colour),
            escaped(said)
        )
    });
    let body =
        rest.strip_suffix("</svg>\n").or_else(|| rest.strip_suffix("</svg>")).unwrap_or(rest);
    // On white, whatever shows the file.
    let body = body.replacen(
        "</title>",
        "</title><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        1,
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\"{body}{}</svg>\n",
        height + key.len().div_ceil(abreast) * LINE + 6,
        legend.collect::<String>()
    )
}

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// A diamond between the ends of an interval, no narrower than a mark.
pub(super) fn summary<'a>(
    root: &Area<'a>,
    [low, middle, high]: [(i32, i32); 3],
    colour: RGBColor,
) -> Result<(), Failure<'a>> {
    let (left, right) = (low.0.min(middle.0 - 4), high.0.max(middle.0 + 4));
    let corners =
        [(left, middle.1), (middle.0, middle.1 - 7), (right, middle.1), (middle.0, middle.1 + 7)];
    root.draw(&Polygon::new(corners.to_vec(), colour))
}

pub(crate) fn draw_mark<'a>(
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
        Shape::Ring => {
            root.draw(&Circle::new(at, 5, WHITE.filled()))?;
            root.draw(&Circle::new(at, 5, colour.stroke_width(2)))
        }
        Shape::Summary => summary(root, [at; 3], RGBColor(colour.0, colour.1, colour.2)),
        Shape::Diamond => {
            let corners = around(&[(0, -6), (6, 0), (0, 6), (-6, 0)]);
            root.draw(&Polygon::new(corners.clone(), WHITE))?;
            let outline: Vec<_> = corners.iter().chain(&corners).take(6).copied().collect();
            root.draw(&PathElement::new(outline, colour.stroke_width(2)))
        }
        Shape::Tick => {
            root.draw(&PathElement::new(around(&[(0, -7), (0, 7)]), colour.stroke_width(2)))
        }
    }
}

pub(crate) fn text(size: u32) -> TextStyle<'static> {
    // Plotters writes sizes divided by 1.24.
    (FONT, f64::from(size) * 1.24).into_font().color(&INK)
}

pub(crate) fn tick(value: f64) -> String {
    let text = fixed(value, 2);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// Runs `draw` on an empty picture and makes the picture scale with the page.
pub(crate) fn drawn(
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
    Ok(format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>{body}"
    ))
}

/// A label from a user's file, as text of a picture.
fn escaped(label: &str) -> String {
    let of = |c| match c {
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '&' => "&amp;".into(),
        '"' => "&quot;".into(),
        c => String::from(c),
    };
    visible(label).chars().map(of).collect()
}

/// The text without characters that XML does not allow.
pub(crate) fn visible(label: &str) -> String {
    let kept = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    label.chars().map(|c| if kept(c) { c } else { '\u{fffd}' }).collect()
}
