use bias_metrics::Arm;
use bias_types::prompt::Context;
use sha2::{Digest as _, Sha256};

use crate::StudyError;
use crate::recorded::RecordedAnswers;
use crate::results::{Baseline, Estimate, Form, Settings, SideCell, VariationBaseline};
use crate::run::{Audit, StudyOptions};
use crate::statistics::Measured;

/// One model, or one mask of it: what is known of its bias.
#[derive(Debug)]
pub struct Side {
    /// What it is called.
    pub name: String,
    /// The two groups, if the file says them.
    pub(super) groups: Option<[String; 2]>,
    pub(super) contexts: Vec<SideContext>,
    /// What is to be said of it, without its name.
    pub(super) remarks: Vec<String>,
}

#[derive(Debug)]
pub(super) struct SideContext {
    pub(super) context: Context,
    pub(super) bias: SideCell,
    /// The mean SMD, if it is known.
    pub(super) signed: Option<SideCell>,
    /// Who was asked about, if answers are known by name.
    pub(super) people: Option<Vec<(Arm, String)>>,
    pub(super) variations: Vec<SideVariation>,
}

#[derive(Debug)]
pub(super) struct SideVariation {
    pub(super) name: String,
    pub(super) cell: SideCell,
    /// Everybody's numbers, and what tells the questions about them from others, if answers are
    /// known by name.
    pub(super) asked: Option<(Measured, Vec<[u8; 8]>)>,
}

impl Side {
    /// Audits recorded answers. `settings` say how; what the weights of the answers mean is taken
    /// from the file.
    ///
    /// # Errors
    /// As [`Audit::audit`].
    pub fn recorded(answers: RecordedAnswers, settings: &Settings) -> Result<Self, StudyError> {
        let RecordedAnswers { model: name, prompts, responder, .. } = answers;
        let settings = Settings { decoding: responder.decoding(), ..settings.clone() };
        let options = StudyOptions { settings, ..StudyOptions::default() };
        let mut audit = Audit::new(responder, &name, &prompts, options)?;
        let baselines = audit.audit()?;
        let mut measured = audit.measured()?.into_iter();
        let mut contexts = Vec::with_capacity(baselines.len());
        for (baseline, own) in baselines.iter().zip(&prompts.contexts) {
            let count = own.variations.first().map_or([0; 2], |first| {
                [Arm::A, Arm::B]
                    .map(|arm| first.people.iter().filter(|person| person.arm == arm).count())
            });
            let mut context = stated(baseline, Some(count));
            let first = own.variations.first();
            let people = first.into_iter().flat_map(|first| &first.people);
            context.people = Some(people.map(|person| (person.arm, person.name.clone())).collect());
            for (side, variation) in context.variations.iter_mut().zip(&own.variations) {
                let texts = variation.people.iter().map(|own| asked(&variation.form, &own.text));
                side.asked = measured.next().map(|measured| (measured, texts.collect()));
            }
            contexts.push(context);
        }
        Ok(Self { name, groups: Some(prompts.groups.clone()), contexts, remarks: Vec::new() })
    }

    /// What an audit or a study states, without answers by name. `names` are the numbers of names of
    /// each group, by context, if they are known.
    pub(super) fn stated(
        name: String,
        groups: Option<[String; 2]>,
        baselines: &[Baseline],
        names: impl Fn(&Context) -> Option<[usize; 2]>,
    ) -> Self {
        let contexts = baselines.iter().map(|own| stated(own, names(&own.context))).collect();
        let remarks = vec![
            "its file has no answers by name, so differences have no interval and no test".into(),
        ];
        Self { name, groups, contexts, remarks }
    }
}

/// What tells a question from others: its text and form.
fn asked(form: &Form, text: &str) -> [u8; 8] {
    let form = serde_json::to_vec(form).unwrap_or_default();
    let hash = Sha256::new().chain_update((form.len() as u64).to_le_bytes());
    let hash = hash.chain_update(form).chain_update(text).finalize();
    let mut own = [0; 8];
    own.iter_mut().zip(hash).for_each(|(own, byte)| *own = byte);
    own
}

fn stated(own: &Baseline, names: Option<[usize; 2]>) -> SideContext {
    let variations: Vec<SideVariation> = own
        .variations
        .iter()
        .map(|own| SideVariation {
            name: own.variation.clone(),
            cell: SideCell {
                estimate: Estimate {
                    value: own.effect().unwrap_or(f64::NAN),
                    interval: own.interval,
                },
                names: names.map(|[a, b]| {
                    let [none_a, none_b] = own.without_value;
                    [a.saturating_sub(none_a), b.saturating_sub(none_b)]
                }),
                without_value: without_value(own),
            },
            asked: None,
        })
        .collect();
    let each = variations.iter().filter_map(|own| own.cell.names);
    let fewest = each.reduce(|[a, b], [c, d]| [a.min(c), b.min(d)]);
    let shares: Vec<f64> = variations.iter().filter_map(|own| own.cell.without_value).collect();
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    let cell = |estimate: Estimate| SideCell {
        estimate,
        names: fewest,
        without_value: Some(mean).filter(|mean| mean.is_finite()),
    };
    SideContext {
        context: own.context.clone(),
        bias: cell(own.bias),
        signed: Some(cell(own.signed)),
        people: None,
        variations,
    }
}

/// The share of answers without what was asked, the mean of both groups.
fn without_value(own: &VariationBaseline) -> Option<f64> {
    let [a, b] = own.answered;
    Some(1.0 - f64::midpoint(a?, b?))
}
