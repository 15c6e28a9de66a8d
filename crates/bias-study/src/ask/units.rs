use bias_metrics::parse::{AnswerKind, Measure, ParsedAnswer};

/// A share of the answers below this is not told.
const TOLD: f64 = 0.0005;

/// The units that the numbers in answers are in, and which of them count, for a reader: `kept:
/// percent (75 %); left out: fractions (25 %)`. Each answer comes as it was read, as it counts, and
/// with its share of all answers. `None` where there is nothing to tell: all are in one unit.
pub(super) fn told<'p>(
    answers: impl Iterator<Item = (&'p ParsedAnswer, AnswerKind, f64)>,
) -> Option<String> {
    let (mut kept, mut left_out) = (Shares::default(), Shares::default());
    for (own, counted, share) in answers {
        match (own.value, counted) {
            (None, _) => {}
            (Some(_), AnswerKind::AnotherUnit) => left_out.add(own, true, share),
            (Some(_), _) => kept.add(own, false, share),
        }
    }
    // Where nothing is left out, only a period that some do not say is worth a line.
    let silent = left_out.is_empty() && !kept.differ_in_period();
    (!silent).then(|| {
        kept.name_what_says_no_period();
        let kept = kept.to_string();
        if left_out.is_empty() {
            format!("kept: {kept}")
        } else {
            format!("kept: {kept}; left out: {left_out}")
        }
    })
}

/// What a number is in, in words, and the period it is paid for.
type Label = (String, Option<String>);

#[derive(Default)]
struct Shares(Vec<(Label, f64)>);

impl Shares {
    fn add(&mut self, own: &ParsedAnswer, left_out: bool, share: f64) {
        let unit = own.unit;
        let fraction = left_out && own.value.is_some_and(|value| value > 0.0 && value <= 1.0);
        let what = match unit.measure {
            Measure::Percent => "percent".to_owned(),
            Measure::OutOf(whole) => format!("out of {whole}"),
            _ => match unit.currency {
                Some(currency) => currency.to_string(),
                None if unit == Default::default() && fraction => "fractions".to_owned(),
                None if unit == Default::default() => "plain numbers".to_owned(),
                None if unit.period.is_some() => "numbers".to_owned(),
                None => unit.to_string(),
            },
        };
        let label = (what, unit.period.map(|period| format!("per {period}")));
        match self.0.iter_mut().find(|(known, _)| *known == label) {
            Some((_, sum)) => *sum += share,
            None => self.0.push((label, share)),
        }
    }

    fn worth(&self) -> impl Iterator<Item = &(Label, f64)> {
        self.0.iter().filter(|(_, share)| *share >= TOLD)
    }

    fn is_empty(&self) -> bool {
        self.worth().next().is_none()
    }

    fn differ_in_period(&self) -> bool {
        let mut periods = self.worth().map(|((_, period), _)| period);
        let first = periods.next();
        periods.any(|own| Some(own) != first)
    }

    fn name_what_says_no_period(&mut self) {
        if self.differ_in_period() {
            for ((_, period), _) in &mut self.0 {
                period.get_or_insert_with(|| "without a period".to_owned());
            }
        }
    }
}

impl std::fmt::Display for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all: Vec<&(Label, f64)> = self.worth().collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let all = all.into_iter().map(|((what, period), share)| {
            let period = period.as_ref().map_or_else(String::new, |own| format!(" {own}"));
            let percent = 100.0 * share;
            let places = usize::from(!(9.95..=99.0).contains(&percent));
            format!("{what}{period} ({percent:.places$} %)")
        });
        f.write_str(&all.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use bias_metrics::parse::Units;
    use bias_metrics::parse_answer;

    use super::*;

    fn line(answers: &[(&str, f64)]) -> Option<String> {
        let parsed: Vec<_> =
            answers.iter().map(|(text, share)| (parse_answer(text), *share)).collect();
        let mut units = Units::default();
        parsed.iter().for_each(|(own, share)| units.add(own, *share));
        told(parsed.iter().map(|(own, share)| (own, units.resolve(*own).kind, *share)))
    }

    #[test]
    fn what_is_kept_and_what_is_left_out_is_said() {
        for (answers, expected) in [
            (&[("$500", 0.667), ("€500", 0.333)][..], "kept: $ (67 %); left out: € (33 %)"),
            (
                &[("58%", 0.5), ("0.58", 0.25), ("no", 0.25)],
                "kept: percent (50 %); left out: fractions (25 %)",
            ),
            // Half of a hundred points is not called percent.
            (
                &[("50/100", 0.7), ("5/10", 0.3)],
                "kept: out of 100 (70 %); left out: out of 10 (30 %)",
            ),
            (
                &[("$50 a month", 0.5), ("$40", 0.3), ("$9 an hour", 0.2)],
                "kept: $ per month (50 %), $ without a period (30 %); left out: $ per hour (20 %)",
            ),
            (
                &[("$500", 0.6), ("500", 0.3), ("€4", 0.1)],
                "kept: $ (60 %), plain numbers (30 %); left out: € (10 %)",
            ),
            // What is too rare to be shown is not shown as 0.
            (&[("$5", 0.9), ("€5", 0.0996), ("£5", 0.0004)], "kept: $ (90 %); left out: € (10 %)"),
        ] {
            assert_eq!(line(answers).as_deref(), Some(expected), "{answers:?}");
        }
        for answers in [
            &[("$500", 0.5), ("500", 0.5)][..],
            &[("$500", 0.9999), ("€5", 0.0001)],
            &[("$5 a day", 1.0)],
            &[("no", 1.0)],
            &[],
        ] {
            assert_eq!(line(answers), None, "{answers:?}");
        }
    }
}
