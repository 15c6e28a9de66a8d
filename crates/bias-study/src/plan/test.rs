//! Where a mask is tested.

use bias_types::prompt::Context;

use crate::prompts::{PromptSet, VariationIndex};
use crate::results::{Plan, Scope, Split, Strategy, TrainedOn};

/// The variations of one context that a mask is tested on.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub scope: Scope,
    pub context: usize,
    pub places: Vec<VariationIndex>,
}

/// The tests of a mask, by the prompts that it was made from.
pub(crate) fn tests(prompts: &PromptSet, trained_on: &TrainedOn) -> Vec<Test> {
    let of = |c, split| prompts.places(c, move |v| v.split == split);
    let contexts = 0..prompts.contexts.len();
    let held_out = |scope, context| Test { scope, context, places: of(context, Split::HeldOut) };
    let index = |context: &Context| prompts.index_of(context.as_str());
    let mut tests: Vec<Test> = match trained_on {
        TrainedOn::Variation(context, variation) => {
            let Some(own) = index(context) else { return Vec::new() };
            let places = prompts.places(own, |v| v.name == *variation);
            vec![Test { scope: Scope::PromptSpecific, context: own, places }]
        }
        TrainedOn::Context(context) => {
            let Some(own) = index(context) else { return Vec::new() };
            let seen = Test {
                scope: Scope::Attributed,
                context: own,
                places: of(own, Split::Attribution),
            };
            let scope = |c| if c == own { Scope::HeldOut } else { Scope::CrossContext };
            let others = contexts.map(|c| held_out(scope(c), c));
            std::iter::once(seen).chain(others).collect()
        }
        TrainedOn::AllBut(context) => {
            let Some(own) = index(context) else { return Vec::new() };
            vec![held_out(Scope::LeftOut, own)]
        }
        TrainedOn::All => contexts.map(|c| held_out(Scope::All, c)).collect(),
    };
    tests.retain(|test| !test.places.is_empty());
    tests
}

/// The tests of a mask, or of another change, in a plan.
pub(crate) fn tests_of(prompts: &PromptSet, plan: Plan, own: &Strategy) -> Vec<Test> {
    let mut tests = tests(prompts, &own.trained_on);
    tests.retain(|test| tries(plan, own.null_of.is_some(), test.scope));
    tests
}

/// Variations by their names, for readers of a piece.
pub(crate) fn named<'p>(
    prompts: &'p PromptSet,
    places: &[VariationIndex],
) -> Vec<(&'p Context, &'p str)> {
    let name = |&(c, v): &VariationIndex| {
        let own = &prompts.contexts[c];
        (&own.context, own.variations[v].name.as_str())
    };
    places.iter().map(name).collect()
}

/// Whether a plan tests a mask, or its null, in a scope.
pub(crate) fn tries(plan: Plan, is_null: bool, scope: Scope) -> bool {
    let at_home = matches!(scope, Scope::Attributed | Scope::HeldOut);
    plan != Plan::Core || at_home || !is_null
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_tested_at_home_only_by_the_core_plan() {
        for scope in [Scope::CrossContext, Scope::All, Scope::PromptSpecific] {
            assert!(!tries(Plan::Core, true, scope) && tries(Plan::Core, false, scope));
            assert!(tries(Plan::Full, true, scope) && tries(Plan::Short, true, scope));
        }
        assert!(
            tries(Plan::Core, true, Scope::HeldOut) && tries(Plan::Core, true, Scope::Attributed)
        );
    }
}
