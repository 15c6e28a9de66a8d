use super::section::{Section, nats};
use super::transfers::{asked_otherwise, by_context, gated, left_out, matched};
use crate::report::numbers::{DASH, fixed, percent, probability, signed_estimate};
use crate::report::words::short;
use crate::results::{Approach, ClaimRow, Condition, Control, Generalization, NameCheck};

/// The longest reason in a table.
const LONGEST: usize = 160;

pub(super) fn sections(results: &Generalization) -> Vec<Section> {
    let mut all = vec![
        claims(results),
        power(results),
        matched(results),
        by_context(results),
        left_out(results),
        gated(results),
        asked_otherwise(results),
        frameworks(results),
        conditions(results),
        absent(results),
    ];
    all.retain(|own| !own.rows.is_empty());
    all
}

fn claims(results: &Generalization) -> Section {
    let own = &results.protocol;
    let limits: Vec<String> = own.limits.iter().map(|limit| limit.to_string()).collect();
    let tasks = own.tasks.as_deref().map_or("no capability tasks were given".to_owned(), |file| {
        format!("capability on {} may fall by no more than noise (p < 0.05)", short(file, 60))
    });
    let rows = results.claims.iter().map(|own| {
        let best = own.best.as_ref();
        vec![
            format!("({})", own.claim.letter()),
            own.verdict.to_string(),
            best.map_or(DASH.into(), |(own, limit)| format!("{own}, {}", nats(*limit))),
            own.because.clone(),
        ]
    });
    let words = results
        .claims
        .iter()
        .map(|own| format!("({}) {}.", own.claim.letter(), capital(own.claim.words())));
    Section {
        title: format!("Does it generalise? {}", short(&results.model.name, 60)),
        note: format!(
            "Homes: {}. Neutral log-loss may rise by {} nats per token; {tasks}; masks take at most \
             {} of the weights. The other edit of (d) is {}.\n{}\n{}",
            own.homes.iter().map(|own| short(own.as_str(), 40)).collect::<Vec<_>>().join(", "),
            limits.join(" or "),
            crate::report::numbers::share(own.most),
            own.rival,
            names(&results.names) + " " + &smallest(results),
            words.collect::<Vec<_>>().join("\n"),
        ),
        header: vec!["claim", "verdict", "nearest to it", "masks: an approach at a limit"],
        rows: rows.collect(),
        labels: 4,
        is_first: true,
    }
}

/// What the tested names can show at best.
fn smallest(results: &Generalization) -> String {
    let own = &results.protocol;
    let claimed = |own: &&Approach| own.is_mask() && **own != Approach::Planted;
    let masks = own.approaches.iter().filter(claimed).count();
    let rows = masks * own.homes.len() * own.limits.len();
    let (one, all) = (results.names.smallest_p(1), results.names.smallest_p(rows));
    let judged = if all < 0.05 { "" } else { ", so none can come out as yes" };
    format!(
        "With so many names p is at least {one:.4}, and at least {all:.4} after the correction for the \
         {rows} rows of a claim{judged}."
    )
}

/// With a capital letter.
fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// What names say besides the first name.
fn names(own: &NameCheck) -> String {
    let NameCheck { held_out, seen, tested, told_by_surname, surnames } = own;
    let people = match held_out {
        true => format!(
            "Attribution sees {} + {} names, tests use {} + {} others.",
            seen[0], seen[1], tested[0], tested[1]
        ),
        false => {
            "There are too few names to hold any out: attribution sees those tested, and every \
                  gap is too large."
                .to_owned()
        }
    };
    let surnames = match told_by_surname {
        None => "Names have no surnames.".to_owned(),
        Some(share) => {
            let says = if *share > 0.6 {
                "surnames give the group away, so nothing here is about first names alone"
            } else {
                "surnames say nothing"
            };
            format!(
                "The best guess from the surname finds {} of their groups: {says}. {} of {} surnames \
                 were seen before.",
                percent(*share),
                surnames[1],
                surnames[0]
            )
        }
    };
    format!("{people} {surnames}")
}

fn power(results: &Generalization) -> Section {
    let rows = results.power.iter().map(|own| {
        vec![
            short(&own.target.to_string(), 60),
            own.variations.to_string(),
            signed_estimate(&own.gap),
            probability(own.p),
            own.smallest_reduction.map_or(DASH.into(), percent),
            own.reason.clone().unwrap_or_else(|| "can be measured".into()),
        ]
    });
    Section {
        title: "What could be found".into(),
        note: "The gap of the unchanged model on the tested names, in the direction that each question \
               has for the names seen. The smallest reduction is that which is found in four of five \
               cases at the 5 % level; above 100 %, not even the removal of all of it."
            .into(),
        header: vec!["questions", "variations", "gap", "p", "smallest reduction", ""],
        rows: rows.collect(),
        labels: 1,
        is_first: false,
    }
}

fn frameworks(results: &Generalization) -> Section {
    let own = results.also.iter().filter(|own| {
        let change = results.change(&own.strategy);
        own.framework.headline().contains(&own.measure.as_str())
            && own.difference.is_some()
            && change.is_some_and(|own| own.control == Control::Own)
    });
    let rows = own.map(|own| {
        let ends = own.interval.map_or_else(String::new, |[low, high]| {
            format!(" [{}..{}]", fixed(low, 3), fixed(high, 3))
        });
        vec![
            own.framework.title().to_owned(),
            own.measure.clone(),
            short(&own.strategy, 60),
            own.after.map_or(DASH.into(), |own| fixed(own, 3)),
            own.difference.map_or(DASH.into(), |own| fixed(own, 3)) + &ends,
            probability(own.p),
            probability(own.p_holm),
        ]
    });
    Section {
        title: "Other frameworks, capability, and whether names are still recognised".into(),
        note:
            "Each score under each change, less that of the unchanged model; generalize.json has those \
               under controls too. Holm corrects for all measures under one change."
                .into(),
        header: vec!["framework", "measure", "change", "score", "difference", "p", "p (Holm)"],
        rows: rows.collect(),
        labels: 3,
        is_first: false,
    }
}

fn conditions(results: &Generalization) -> Section {
    let rows = results.rows.iter().filter(|own| own.approach != Approach::Planted);
    let rows = rows.flat_map(|row| row.conditions.iter().map(move |own| condition(row, own)));
    Section {
        title: "Every condition of every claim".into(),
        note: "An interval within the bounds meets a condition, one beyond them refutes it. p is that \
               of the difference from the placebo, or in (d) from the other edit; Holm corrects for all \
               rows of a claim."
            .into(),
        header: vec![
            "claim", "approach", "context", "limit", "condition", "value", "met", "p (Holm)", "verdict",
        ],
        rows: rows.collect(),
        labels: 5,
        is_first: false,
    }
}

fn condition(row: &ClaimRow, own: &Condition) -> Vec<String> {
    let value = own.value.map_or(DASH.into(), |own| fixed(own, 3));
    let ends = own.interval.map_or_else(String::new, |[low, high]| {
        format!(" [{}..{}]", fixed(low, 3), fixed(high, 3))
    });
    vec![
        format!("({})", row.claim.letter()),
        row.approach.to_string(),
        short(row.context.as_str(), 30),
        nats(row.limit),
        short(&own.what, LONGEST),
        value + &ends,
        own.met.to_string(),
        probability(row.p_holm),
        row.verdict.to_string(),
    ]
}

fn absent(results: &Generalization) -> Section {
    let rows = results.absent.iter().map(|own| {
        let control =
            if own.control == Control::Own { String::new() } else { own.control.to_string() };
        vec![
            own.approach.to_string(),
            short(&own.seen.to_string(), 60),
            control,
            own.limit.map_or("all".into(), nats),
            short(&own.reason, LONGEST),
        ]
    });
    Section {
        title: "What was not made".into(),
        note: "Approaches that found nothing, would do too much damage with their smallest step, or had \
               nothing to work on."
            .into(),
        header: vec!["approach", "seen", "control", "limit", "reason"],
        rows: rows.collect(),
        labels: 5,
        is_first: false,
    }
}
