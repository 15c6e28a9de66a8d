use crate::report::charts::curves::{
    Best, Curve, Point, Scale, against_cost, range_along, range_of,
};
use crate::report::charts::{Shape, method_colour, standing_alone};
use crate::report::error::ReportError;
use crate::report::numbers::{fixed, percent};
use crate::results::{Approach, Control, Generalization, Seen, Target};

/// Reductions beyond these are drawn at the edge.
const LIMIT: (f64, f64) = (-1.0, 1.5);

/// Reduction at home and elsewhere against damage, as an SVG file: a line for each approach, the
/// mean over homes.
///
/// # Errors
/// An error of plotters.
pub fn generalization_chart(results: &Generalization) -> Result<String, ReportError> {
    let (mut curves, mut key) = (Vec::new(), Vec::new());
    for (i, approach) in results.protocol.approaches.iter().enumerate() {
        let colour = method_colour(i);
        let letter = |where_: &str| format!("{}{where_}", i + 1);
        for (shape, where_, sign, at_home) in
            [(Shape::Dot, "h", "●", true), (Shape::Ring, "e", "○", false)]
        {
            let points = points(results, approach, at_home);
            if !points.is_empty() {
                let place = if at_home { "at home" } else { "elsewhere" };
                key.push((format!("{sign} {}: {approach}, {place}", letter(where_)), colour));
                curves.push(Curve { points, colour, shape, letter: letter(where_) });
            }
        }
    }
    let x = Scale {
        name: "rise of neutral log-loss, nats per token",
        range: range_along(&curves, 0.0, (f64::NEG_INFINITY, f64::INFINITY)),
        label: |own| fixed(own, 3),
    };
    let y = Scale {
        name: "share of the gap that is gone",
        range: range_of(&curves, 0.0, LIMIT),
        label: percent,
    };
    let title = format!("Share of the gap gone against damage, {}", results.model.name);
    Ok(standing_alone(&against_cost(&title, &curves, [x, y], Best::Low)?, &key))
}

/// Mean damage and reduction over homes, limit by limit.
fn points(results: &Generalization, approach: &Approach, at_home: bool) -> Vec<Point> {
    let mut points = Vec::new();
    for limit in &results.protocol.limits {
        let own = results.changes.iter().filter(|own| {
            own.control == Control::Own
                && own.approach == *approach
                && own.limit.total_cmp(limit).is_eq()
        });
        let both = own.filter_map(|own| {
            let Seen::Home(home) = &own.seen else { return None };
            let reduction = match at_home {
                true => results.outcome(&own.id, &Target::Home(home.clone()))?.reduction.value,
                false => results.over_others(&own.id)?.reduction.value,
            };
            Some((own.log_loss?, reduction)).filter(|(_, own)| own.is_finite())
        });
        let both: Vec<(f64, f64)> = both.collect();
        let mean =
            |of: fn(&(f64, f64)) -> f64| both.iter().map(of).sum::<f64>() / both.len() as f64;
        if !both.is_empty() {
            points.push(Point { x: mean(|own| own.0), y: mean(|own| own.1), interval: None });
        }
    }
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    points
}
