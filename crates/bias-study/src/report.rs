//! What a study found, as one page that needs nothing else.

use std::collections::BTreeMap;

use bias_core::{Context, Sublayer, UnitKind};
use bias_model::Decoding;
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Deserialize as _;
use thiserror::Error;

use crate::StudyError;
use crate::charts::{self, Axis, BLUE, Curve, GREY, Mark, ORANGE, Row, Shape, shade};
use crate::findings::{Family, Findings};
use crate::results::{Estimate, Outcome, Results, Scope, Split, TrainedOn};
use crate::tables::{
    DASH, estimate, fixed, interval, percent, percent_estimate, seconds, share, short, signed,
    signed_estimate, sublayer,
};

/// Why there is no page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A chart that cannot be drawn.
    #[error("the chart `{chart}` cannot be drawn: {reason}")]
    Chart {
        /// Its title.
        chart: String,
        /// What plotters says.
        reason: String,
    },
    /// A page that cannot be filled in.
    #[error("the page cannot be filled in: {source}")]
    Page {
        /// What minijinja says.
        #[from]
        source: minijinja::Error,
    },
}

impl From<ReportError> for StudyError {
    fn from(error: ReportError) -> Self {
        Self::Report { reason: error.to_string() }
    }
}

/// The findings as one HTML page: no scripts, nothing fetched.
///
/// # Errors
/// [`ReportError`] when a chart cannot be drawn or the page cannot be filled in.
pub fn report(results: &Results) -> Result<String, ReportError> {
    let page = Page(Findings::new(results));
    let found = &page.0;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let of = |value: &Value| f64::try_from(value.clone()).unwrap_or(f64::NAN);
    let with = |value: Value, write: fn(&Estimate) -> String| {
        Estimate::deserialize(value).map_or(DASH.into(), |e| write(&e))
    };
    environment.add_filter("num", move |value: Value, digits: usize| fixed(of(&value), digits));
    environment.add_filter("signed", move |value: Value| signed(of(&value)));
    environment.add_filter("pct", move |value: Value| percent(of(&value)));
    environment.add_filter("share", move |value: Value| share(of(&value)));
    environment.add_filter("secs", move |value: Value| seconds(of(&value)));
    environment.add_filter("est", move |value: Value| with(value, estimate));
    environment.add_filter("sest", move |value: Value| with(value, signed_estimate));
    environment.add_filter("pest", move |value: Value| with(value, percent_estimate));
    environment.add_template("report.html", include_str!("report.html"))?;
    let [from, to] = found.focus();
    let mut methods: Vec<Family> = found.families();
    methods.dedup_by_key(|f| f.method);
    let legend = methods.iter().map(|f| {
        context! { colour => charts::hex(page.colour(f.method)), label => found.label(f.method),
        name => f.method, note => found.note(f) }
    });
    let (main, others) = (found.main(), found.families());
    let others: Vec<_> = others.into_iter().filter(|f| !main.contains(f)).collect();
    let matrices = |families: &[Family]| families.iter().map(|f| page.matrix(f)).collect::<Vec<_>>();
    let overlaps = |families: &[Family]| families.iter().filter_map(|f| page.overlap(f)).collect::<Vec<_>>();
    let mut places = vec![page.places(&main, None)];
    places.extend(found.contexts().into_iter().map(|c| page.places(&main, Some(c))));
    let outcomes = results.outcomes.iter().filter_map(|outcome| {
        let strategy = found.strategies.get(outcome.strategy.as_str())?;
        Some(context! { o => outcome, s => strategy, from => made_from(&strategy.trained_on), scope => scope(outcome.scope) })
    });
    let values = context! {
        results, from, to,
        baseline_sentence => found.baseline_sentence(),
        transfer_summary => found.transfer_summary(),
        transfer_sentences => found.transfer_sentences(),
        overlap_summary => found.overlap_summary(),
        overlap_sentences => found.overlap_sentences(),
        panels => page.panels()?,
        baseline_chart => page.baseline_chart()?,
        transfer_chart => page.transfer_chart()?,
        overlap_chart => page.overlap_chart()?,
        budget_charts => page.budget_charts()?,
        legend => legend.collect::<Vec<_>>(),
        matrices => matrices(&main), other_matrices => matrices(&others),
        overlaps => overlaps(&main), other_overlaps => overlaps(&others),
        places,
        outcomes => outcomes.collect::<Vec<_>>(),
        intervals => results.outcomes.iter().filter(|o| o.reduction.interval.is_some()).count(),
        decoding => match results.settings.decoding {
            Decoding::Greedy => "the single most probable one".into(),
            Decoding::Sampled { samples, seed } => format!("sampled, {samples} per prompt (seed {seed})"),
            Decoding::Exact { unexplored, .. } => format!("all, with their probability, but for {} at most", share(unexplored)),
        },
    };
    Ok(environment.get_template("report.html")?.render(values)?)
}

/// The parts of the page that are more than a number.
struct Page<'a>(Findings<'a>);

impl Page<'_> {
    /// Every context's prompts with a dot plot of its variations, all on one scale.
    fn panels(&self) -> Result<Vec<Value>, ReportError> {
        let all = self.0.results.baseline.iter().map(|own| {
            let mut variations: Vec<_> = own.variations.iter().collect();
            let value = |v: &crate::results::VariationBaseline| v.effect().unwrap_or(f64::NEG_INFINITY);
            variations.sort_by(|a, b| value(b).total_cmp(&value(a)));
            let row = |v: &&crate::results::VariationBaseline| {
                let (shape, colour) = look(v.split == Split::Attribution);
                let smd = v.effect().unwrap_or(f64::NAN);
                let mark = Mark { value: smd, interval: v.interval, shape, colour };
                Row { label: v.variation.clone(), marks: vec![mark], note: signed(smd) }
            };
            (own, variations.iter().map(row).collect::<Vec<_>>())
        });
        let all: Vec<_> = all.collect();
        let range = charts::range_of(all.iter().flat_map(|(_, rows)| rows), (-5.0, 5.0));
        let [a, b] = &self.0.results.prompts.races;
        let name = format!("← favours {} · SMD · favours {} →", short(b, 12), short(a, 12));
        let panel = |(own, rows): &(&crate::results::Baseline, Vec<Row>)| {
            let axis = Axis { name: &name, range, percent: false, width: 540, margins: (160, 54) };
            let title = format!("SMD of every variation in {}", own.context);
            let prompts = self.0.results.prompts.contexts.iter().find(|c| c.context == own.context);
            let chart = Value::from_safe_string(charts::dots(&title, rows, axis)?);
            Ok(context! { baseline => own, prompts, chart })
        };
        all.iter().map(panel).collect()
    }

    fn baseline_chart(&self) -> Result<Value, ReportError> {
        let mut rows = Vec::new();
        for own in self.0.focus().into_iter().filter_map(|c| self.0.baseline(c)) {
            let summary =
                |e: &Estimate, shape, colour| Mark { value: e.value, interval: e.interval, shape, colour };
            let context = short(own.context.as_str(), 18);
            let (marks, note) = (vec![summary(&own.bias, Shape::Dot, BLUE)], fixed(own.bias.value, 2));
            rows.push(Row { label: format!("{context}: mean |SMD|"), marks, note });
            let each = own.variations.iter().filter_map(|v| v.effect());
            let mut marks: Vec<Mark> =
                each.map(|value| Mark { value, interval: None, shape: Shape::Tick, colour: GREY }).collect();
            marks.push(summary(&own.signed, Shape::Diamond, ORANGE));
            rows.push(Row {
                label: format!("{context}: signed mean"),
                marks,
                note: signed(own.signed.value),
            });
        }
        let range = charts::range_of(&rows, (-5.0, 5.0));
        let name = "standardized mean difference before pruning";
        let axis = Axis { name, range, percent: false, width: 1000, margins: (270, 80) };
        Ok(Value::from_safe_string(charts::dots("Bias before pruning in the two contexts", &rows, axis)?))
    }

    fn transfer_chart(&self) -> Result<Value, ReportError> {
        let [from, to] = self.0.focus();
        let row = |family: Family| {
            let strategy = self.0.strategy(&family, &TrainedOn::Context(from.clone()))?;
            let tested = [from, to].map(|c| self.0.tested(strategy, c));
            let marks = tested.iter().zip([true, false]).filter_map(|(outcome, own)| {
                let (shape, colour) = look(own);
                outcome.map(|o| Mark {
                    value: o.reduction.value,
                    interval: o.reduction.interval,
                    shape,
                    colour,
                })
            });
            let inlier = tested.map(|o| o.map_or(DASH.into(), |o| fixed(o.inlier.value, 2)));
            Some(Row {
                label: self.0.name(&family),
                marks: marks.collect(),
                note: format!("{} / {}", inlier[0], inlier[1]),
            })
        };
        let rows: Vec<Row> = self.0.families().into_iter().filter_map(row).collect();
        let range = charts::range_of(&rows, (-1.0, 1.0));
        let name = "reduction of mean |SMD| on held-out variations";
        let axis = Axis { name, range, percent: true, width: 1000, margins: (360, 110) };
        let title = format!("Reduction of bias in {from} and {to} by masks made from {from}");
        Ok(Value::from_safe_string(charts::dots(&title, &rows, axis)?))
    }

    fn overlap_chart(&self) -> Result<Value, ReportError> {
        let [from, to] = self.0.focus();
        let row = |family: Family| {
            let overlap = self.0.overlap(&family, from, to)?;
            let [found, chance] = [overlap.jaccard, overlap.jaccard_by_chance].map(|v| v.unwrap_or(f64::NAN));
            let mark = |value, shape, colour| Mark { value, interval: None, shape, colour };
            let marks = vec![mark(chance, Shape::Tick, ORANGE), mark(found, Shape::Dot, BLUE)];
            let note = format!("{} / {}", share(found), share(chance));
            Some(Row { label: self.0.name(&family), marks, note })
        };
        let rows: Vec<Row> = self.0.families().into_iter().filter_map(row).collect();
        let range = charts::range_of(&rows, (0.0, 1.0));
        let name = "weights in both masks, of those in either (Jaccard)";
        let axis = Axis { name, range, percent: true, width: 1000, margins: (360, 130) };
        let title = format!("Overlap of masks made from {from} and from {to}");
        Ok(Value::from_safe_string(charts::dots(&title, &rows, axis)?))
    }

    /// Reduction at home, reduction elsewhere on the same scale, and inlier ratio against the budget.
    fn budget_charts(&self) -> Result<Vec<Value>, ReportError> {
        let curves = |scopes: &[Scope], shape: Shape, read: fn(&Outcome) -> f64| {
            let mut curves: BTreeMap<&str, Curve> = BTreeMap::new();
            for family in self.0.families() {
                let own = scopes.iter().flat_map(|scope| self.0.in_scope(&family, *scope));
                let values: Vec<f64> = own.map(read).filter(|v| v.is_finite()).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let colour = self.colour(family.method);
                let curve =
                    curves.entry(family.method).or_insert(Curve { points: Vec::new(), colour, shape });
                curve.points.push((family.share, mean));
            }
            curves.into_values().collect::<Vec<_>>()
        };
        let own = curves(&[Scope::HeldOut], Shape::Dot, |o| o.reduction.value);
        let other = curves(&[Scope::CrossContext], Shape::Diamond, |o| o.reduction.value);
        let inlier = curves(&[Scope::HeldOut, Scope::CrossContext], Shape::Dot, |o| o.inlier.value);
        let reductions = charts::range_of_curves(own.iter().chain(&other), 0.0);
        let panels = [
            ("Reduction, own context", &own, reductions, true),
            ("Reduction, other contexts", &other, reductions, true),
            ("Inlier ratio, all contexts", &inlier, charts::range_of_curves(&inlier, 1.0), false),
        ];
        let panel = |(title, curves, range, percent): (&str, &Vec<Curve>, (f64, f64), bool)| {
            let chart = Value::from_safe_string(charts::against_share(title, curves, range, percent)?);
            Ok(context! { title, chart })
        };
        panels.into_iter().map(panel).collect()
    }

    /// The transfer matrix of one method and budget.
    fn matrix(&self, family: &Family) -> Value {
        let contexts = self.0.contexts();
        let made_from_each =
            contexts.iter().map(|c| TrainedOn::Context((*c).clone())).chain([TrainedOn::All]);
        let row = |trained_on: TrainedOn| {
            let strategy = self.0.strategy(family, &trained_on)?;
            let cell = |c: &&Context| {
                let outcome = self.0.tested(strategy, c);
                let reduction = outcome.map_or(f64::NAN, |o| o.reduction.value);
                context! {
                    value => percent(reduction), style => shade(reduction * 0.85),
                    sure => outcome.and_then(|o| o.reduction.interval).is_some_and(|[low, high]| low > 0.0 || high < 0.0),
                    interval => outcome.map(|o| interval(o.reduction.interval, |x| fixed(x * 100.0, 0))),
                    inlier => outcome.map_or(DASH.into(), |o| estimate(&o.inlier)),
                    own => trained_on == TrainedOn::Context((*c).clone()),
                }
            };
            let cells = contexts.iter().map(cell).collect::<Vec<_>>();
            Some(context! { label => made_from(&trained_on), share => share(strategy.share), cells })
        };
        let rows = made_from_each.filter_map(row).collect::<Vec<_>>();
        context! { label => self.0.name(family), name => family.method, note => self.0.note(family), columns => contexts, rows }
    }

    /// The overlap matrix of one method and budget, if any pair was compared.
    fn overlap(&self, family: &Family) -> Option<Value> {
        let contexts = self.0.contexts();
        let deepest = self.0.overlaps(family).filter_map(|o| o.jaccard).fold(0.3, f64::max);
        self.0.overlaps(family).next()?;
        let row = |a: &&Context| {
            let cell = |b: &&Context| {
                let overlap = self.0.overlap(family, a, b);
                let jaccard = overlap.and_then(|o| o.jaccard).unwrap_or(f64::NAN);
                context! { value => share(jaccard), style => shade(jaccard / deepest * 0.6), own => a == b,
                chance => share(overlap.and_then(|o| o.jaccard_by_chance).unwrap_or(f64::NAN)),
                coefficient => share(overlap.and_then(|o| o.coefficient).unwrap_or(f64::NAN)) }
            };
            context! { label => a, cells => contexts.iter().map(cell).collect::<Vec<_>>() }
        };
        let rows = contexts.iter().map(row).collect::<Vec<_>>();
        Some(context! { label => self.0.name(family), columns => contexts, rows })
    }

    /// Chosen over expected by layer, sublayer and method; of one context or all together.
    fn places(&self, families: &[Family], context: Option<&Context>) -> Value {
        let found: Vec<_> = families.iter().map(|f| (f, self.0.places(f, context))).collect();
        let found: Vec<_> = found.into_iter().filter(|(_, places)| !places.is_empty()).collect();
        let row = |layer: usize| {
            let cells = found.iter().flat_map(|(family, places)| {
                [Sublayer::Attention, Sublayer::Mlp].map(|half| {
                    let place = places.get(&(layer, half)).copied().unwrap_or_default();
                    let depth = (place.ratio().log2() / 2.0).clamp(-1.0, 1.0);
                    // Heads move as blocks: the deviation of single weights says nothing of them.
                    let chance = family.unit == UnitKind::Weight && place.deviations().abs() < 2.0;
                    context! { value => fixed(place.ratio(), 1), style => shade(depth * 0.85), chance,
                    hint => format!("{} chosen, {} ± {} expected", place.chosen, fixed(place.expected, 0), fixed(place.variance.sqrt(), 0)) }
                })
            });
            context! { layer, cells => cells.collect::<Vec<_>>() }
        };
        let rows = (0..self.0.results.model.dims.layers).map(row).collect::<Vec<_>>();
        let columns = found.iter().map(|(f, _)| self.0.name(f)).collect::<Vec<_>>();
        context! { context, columns, rows, halves => [sublayer(Sublayer::Attention), sublayer(Sublayer::Mlp)] }
    }

    fn colour(&self, method: &str) -> plotters::style::RGBColor {
        let mut methods: Vec<&str> = self.0.families().iter().map(|f| f.method).collect();
        methods.dedup();
        methods.iter().position(|m| *m == method).map_or(GREY, charts::method_colour)
    }
}

/// Seen or own: a blue dot. Unseen or elsewhere: an orange diamond.
fn look(own: bool) -> (Shape, plotters::style::RGBColor) {
    if own { (Shape::Dot, BLUE) } else { (Shape::Diamond, ORANGE) }
}

fn made_from(trained_on: &TrainedOn) -> String {
    match trained_on {
        TrainedOn::Variation(context, variation) => format!("{context}: {variation}"),
        TrainedOn::Context(context) => context.to_string(),
        TrainedOn::All => "all contexts".into(),
        TrainedOn::AllBut(context) => format!("all but {context}"),
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::PromptSpecific => "its own prompt",
        Scope::Attributed => "prompts attributed on",
        Scope::HeldOut => "held-out, own context",
        Scope::CrossContext => "other context",
        Scope::All => "held-out, made from all",
        Scope::LeftOut => "held-out, made from all others",
    }
}
