//! The table of all groups of an attribute.

use bias_study::results::{Estimate, GroupDifferences};

/// The differences between all groups of an attribute in a context, as a table.
pub(super) fn groups(own: &GroupDifferences) -> String {
    let p = |p: Option<f64>| p.map_or_else(|| "-".into(), |p| format!("{p:.4}"));
    let name = own.attribute.as_deref().unwrap_or_default();
    let mut out = format!(
        "{} by {name}: f {} (by chance {}, p {})\n",
        own.context,
        number(own.spread),
        own.spread_by_chance.map_or_else(|| "-".into(), number),
        p(own.spread_p)
    );
    out += &format!(
        "  {:<40} {:>8} {:>16} {:>8} {:>8} {:>11}\n",
        "groups, a positive SMD favours the first",
        "SMD",
        "95 % interval",
        "p",
        "Holm",
        "mean |SMD|"
    );
    for pair in &own.pairs {
        let [first, second] = &pair.groups;
        let Estimate { value, interval } = pair.signed;
        let names = format!("{first} – {second}");
        out += &format!(
            "  {names:<40} {:>8} {:>16} {:>8} {:>8} {:>11}\n",
            if value.is_finite() { format!("{value:+.2}") } else { "-".into() },
            interval.map_or_else(|| "-".into(), |[low, high]| format!("{low:+.2} to {high:+.2}")),
            p(pair.p),
            p(pair.holm),
            number(pair.bias.value)
        );
    }
    out
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "-".into() }
}
