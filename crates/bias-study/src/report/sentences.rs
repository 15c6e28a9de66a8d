//! The results in sentences.

use bias_metrics::EffectSize;

use super::findings::{Family, Findings};
use super::numbers::{estimate, fixed, percent, percent_estimate, share, signed_estimate};
use super::words::made_from;
use crate::results::{Kind, Outcome, Strategy, method};

impl<'a> Findings<'a> {
    /// A method in words.
    pub(crate) fn label(&self, name: &str) -> String {
        let [a, b] = &self.results.prompts.groups;
        match name {
            method::WANDA_B_A => format!("Wanda set difference, {b} not {a}"),
            method::WANDA_A_B => format!("Wanda set difference, {a} not {b}"),
            method::WANDA_COMMON => "Wanda, common to all prompts".into(),
            method::SIGNED_GAP => "Signed gap".into(),
            method::GAP_PURSUIT => "Gap pursuit".into(),
            method::HEAD_ATTENTION => "Heads that look at the name".into(),
            method::RANDOM => "Random weights".into(),
            method::RANDOM_HEADS => "Random heads".into(),
            other => other.into(),
        }
    }

    /// A method and its budget in words.
    pub(crate) fn name(&self, family: &Family) -> String {
        format!("{}, {}", self.label(family.method), family.budget)
    }

    /// How a method chooses weights.
    pub(crate) fn note(&self, family: &Family) -> String {
        let [a, b] = &self.results.prompts.groups;
        match family.method {
            method::WANDA_B_A => format!(
                "The paper's method: weights important to answers about {b} names and not about {a} names."
            ),
            method::WANDA_A_B => {
                format!("The paper's method turned round: important for {a} names and not for {b} names.")
            }
            method::WANDA_COMMON => {
                format!("Only the weights that set apart {b} names on every prompt attributed on.")
            }
            method::SIGNED_GAP => {
                "Weights whose removal, to first order, closes the gap between the groups' expected answers."
                    .into()
            }
            method::GAP_PURSUIT => {
                "Weights that close the gaps of all prompts together without moving the level of answers or spoiling \
                 neutral text, chosen one after another, the model looked at again after every few."
                    .into()
            }
            method::HEAD_ATTENTION => {
                "Attention heads that look at the name most while answering; they are silenced whole.".into()
            }
            method::RANDOM => "The null: as many weights in every matrix, chosen at random.".into(),
            method::RANDOM_HEADS => "The null: as many heads, chosen at random.".into(),
            _ => format!("Prunes {}s.", family.unit),
        }
    }

    /// What experiment 1 compares. A study of one context has nothing else to look at.
    pub(crate) fn baseline_title(&self) -> String {
        match self.focus() {
            [from, to] if from == to => format!("baseline in {from}"),
            [from, to] => format!("baseline across {from} and {to}"),
        }
    }

    /// What experiment 2 compares.
    pub(crate) fn transfer_title(&self) -> String {
        match self.focus() {
            [from, to] if from == to => "transfer between contexts".into(),
            [from, to] => format!("{from} attribution tested on {to}"),
        }
    }

    /// Experiment 1 in a sentence.
    pub(crate) fn baseline_sentence(&self) -> String {
        let [a, b] = &self.results.prompts.groups;
        let said = self.distinct_focus().into_iter().filter_map(|c| self.baseline(c)).map(|own| {
            let direction = match own.signed.interval {
                Some([low, _]) if low > 0.0 => format!("answers favour {a} names"),
                Some([_, high]) if high < 0.0 => format!("answers favour {b} names"),
                Some(_) => "answers favour neither group clearly".into(),
                None => "the direction is unsure".into(),
            };
            format!(
                "in {} bias is {} (mean |SMD|) and {direction} ({} signed)",
                own.context,
                estimate(&own.bias),
                signed_estimate(&own.signed)
            )
        });
        let said = said.collect::<Vec<_>>();
        if said.is_empty() {
            return "No baseline was measured.".into();
        }
        format!("Before pruning, {}.", said.join("; "))
    }

    /// Where answers are in several units, in a sentence; nothing where they are not.
    pub(crate) fn units_sentence(&self) -> Option<String> {
        let said = self.results.baseline.iter().flat_map(|own| {
            own.variations.iter().filter_map(move |v| {
                Some(format!("{} / {}: {}.", own.context, v.variation, v.units.as_ref()?))
            })
        });
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| {
            format!(
                "Some questions are answered in several units (with shares of all answers). {} Numbers that \
                 are left out have no value.",
                said.join(" ")
            )
        })
    }

    /// What stands on both sides of a held-out split, in sentences.
    pub(crate) fn on_both_sides_sentence(&self) -> Option<String> {
        let all = self.results.prompts.on_both_sides.iter();
        let said: Vec<String> = all.map(|own| format!("{own}.")).collect();
        (!said.is_empty()).then(|| said.join(" "))
    }

    /// Variations in which the groups differ and nobody within a group does, in a sentence.
    pub(crate) fn without_scale_sentence(&self) -> Option<String> {
        let said = self.results.baseline.iter().flat_map(|own| {
            own.variations.iter().filter_map(move |v| match v.smd? {
                EffectSize::Degenerate { difference } if difference != 0.0 => {
                    Some(format!("{} / {}", own.context, v.variation))
                }
                EffectSize::Degenerate { .. } | EffectSize::Finite(_) => None,
            })
        });
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| {
            format!(
                "In {} the groups differ and nobody within a group does. Such a difference has no                  scale, so that the means leave it out.",
                said.join(", ")
            )
        })
    }

    /// Whom neither differences nor attribution count, in a sentence; nothing where everybody has a
    /// value.
    pub(crate) fn without_value_sentence(&self) -> Option<String> {
        const MOST: usize = 5;
        let [a, b] = &self.results.prompts.groups;
        let all = self
            .results
            .baseline
            .iter()
            .flat_map(|own| own.variations.iter().map(move |v| (own, v)));
        let concerned: Vec<_> = all.filter(|(_, v)| v.without_value != [0; 2]).collect();
        let (_, first) = concerned.first()?;
        let names = |[of_a, of_b]: [usize; 2]| format!("{of_a} {a} and {of_b} {b} names");
        let said = concerned.iter().take(MOST).map(|(own, v)| {
            format!("{} in {} / {}", names(v.without_value), own.context, v.variation)
        });
        let said = said.collect::<Vec<_>>().join("; ");
        let more = concerned.len().saturating_sub(MOST);
        let more =
            if more == 0 { String::new() } else { format!("; and in {more} more variations") };
        let asked = if first.kind == Kind::Choice { "what was asked" } else { "a number" };
        Some(format!(
            "Some names are never answered with {asked}, so differences and attribution leave them out: \
             {said}{more}."
        ))
    }

    /// The methods that could not be tried, in sentences: one for each reason.
    pub(crate) fn left_out_sentences(&self) -> Vec<String> {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for own in &self.results.left_out {
            let what =
                format!("{} made from {}", self.label(&own.method), made_from(&own.trained_on));
            match reasons.iter_mut().find(|(reason, _)| *reason == own.reason) {
                Some((_, all)) => all.push(what),
                None => reasons.push((&own.reason, vec![what])),
            }
        }
        let said = reasons.into_iter();
        said.map(|(reason, all)| format!("Left out: {}: {reason}.", all.join(", "))).collect()
    }

    /// Experiment 2 in a sentence.
    pub(crate) fn transfer_summary(&self) -> String {
        let ([from, to], all) = (self.focus(), self.transfers());
        if all.is_empty() {
            return "Nothing was tested across two contexts.".into();
        }
        let falls = |o: &Outcome| o.reduction.interval.is_some_and(|[low, _]| low > 0.0);
        let count = |wanted: &dyn Fn(&Outcome, &Outcome) -> bool| {
            all.iter().filter(|t| wanted(t.2, t.3)).count()
        };
        let clearly_less = |own: &Outcome, other: &Outcome| match (
            own.reduction.interval,
            other.reduction.interval,
        ) {
            (Some([low, _]), Some([_, high])) => high < low,
            _ => false,
        };
        let lead = all.first().map_or(String::new(), |(family, _, own, other)| {
            let [own, other] = [own, other].map(|o| percent_estimate(&o.reduction));
            format!(
                "{}: the reduction of bias is {own} in {from} and {other} in {to}. ",
                self.name(family)
            )
        });
        format!(
            "{lead}Attributed on {from}, {} of {} methods lower bias there with an interval above zero, and {} in {to}; \
             {} of them have a clearly smaller effect in {to} (the two intervals do not overlap).",
            count(&|own, _| falls(own)),
            all.len(),
            count(&|_, other| falls(other)),
            count(&clearly_less)
        )
    }

    /// Experiment 2, method by method.
    pub(crate) fn transfer_sentences(&self) -> Vec<String> {
        let [from, to] = self.focus();
        let sentence = |(family, strategy, own, other): (Family, &Strategy, &Outcome, &Outcome)| {
            let null = self
                .null(strategy)
                .and_then(|s| Some((self.tested(s, from)?, self.tested(s, to)?)));
            let null = null.map_or(String::new(), |(own, other)| {
                format!(
                    " As many random {}s: {} and {}.",
                    family.unit,
                    percent(own.reduction.value),
                    percent(other.reduction.value)
                )
            });
            format!(
                "{}: reduction {} in {from}, {} in {to}; inlier ratio {} and {} (unpruned {} and {}).{null}",
                self.name(&family),
                percent_estimate(&own.reduction),
                percent_estimate(&other.reduction),
                fixed(own.inlier.value, 2),
                fixed(other.inlier.value, 2),
                fixed(own.inlier_before, 2),
                fixed(other.inlier_before, 2),
            )
        };
        self.transfers().into_iter().map(sentence).collect()
    }

    /// Experiment 3 in a sentence.
    pub(crate) fn overlap_summary(&self) -> String {
        let ([from, to], met) = (self.focus(), self.met());
        let Some((lead, found, chance)) = met.first() else {
            return "No two masks could be compared.".into();
        };
        let low = met.iter().map(|m| m.1).fold(f64::INFINITY, f64::min);
        let high = met.iter().map(|m| m.1).fold(0.0, f64::max);
        format!(
            "Of the weights in either mask, {from} and {to} share {} by {} ({} by chance); across methods {} to {}.",
            share(*found),
            self.name(lead),
            share(*chance),
            share(low),
            share(high)
        )
    }

    /// Experiment 3, method by method.
    pub(crate) fn overlap_sentences(&self) -> Vec<String> {
        let sentence = |(family, found, chance): (Family, f64, f64)| {
            let times = if chance > 0.0 {
                format!(
                    ", {} times as much",
                    fixed(found / chance, usize::from(found < 10.0 * chance))
                )
            } else {
                String::new()
            };
            format!(
                "{}: {} shared, {} by chance{times}.",
                self.name(&family),
                share(found),
                share(chance)
            )
        };
        self.met().into_iter().map(sentence).collect()
    }
}
