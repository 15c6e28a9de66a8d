use bias_metrics::Arm;

use super::set::{PromptSet, Variation};
use crate::results::Split;

/// A variation by its indices: the context, then the variation within it.
pub(crate) type VariationIndex = (usize, usize);

/// A selection of people: all, or those of one split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Everybody,
    Of(Split),
}

impl Names {
    pub(crate) fn include(self, split: Split) -> bool {
        match self {
            Self::Everybody => true,
            Self::Of(own) => own == split,
        }
    }
}

impl PromptSet {
    /// The people that masks are tested on.
    pub(crate) fn tested(&self) -> Names {
        if self.holds_out_names() { Names::Of(Split::HeldOut) } else { Names::Everybody }
    }

    /// The variations of one context for which `keep` returns true.
    pub(crate) fn places(
        &self,
        context: usize,
        keep: impl Fn(&Variation) -> bool,
    ) -> Vec<VariationIndex> {
        let variations = self.contexts[context].variations.iter().enumerate();
        variations.filter(|(_, v)| keep(v)).map(|(v, _)| (context, v)).collect()
    }

    /// The people that attribution sees.
    pub(crate) fn attributed(&self) -> Names {
        if self.holds_out_names() { Names::Of(Split::Attribution) } else { Names::Everybody }
    }
}

/// The arms of some people in a context.
pub(crate) fn arms(prompts: &PromptSet, context: usize, names: Names) -> Vec<Arm> {
    let people = &prompts.contexts[context].variations[0].people;
    people.iter().filter(|p| names.include(p.split)).map(|p| p.arm).collect()
}
