use super::clusters::{Row, Rows};
use super::statistic::Statistic;
use super::{associations, choices, decisions, names, pairs, pronouns, questions, texts};
use crate::framework::Framework;
use crate::items::item::Item;
use crate::score::scorer::Score;

/// Every metric of a framework, of items with their scores.
#[must_use]
pub fn statistics(framework: Framework, scored: &[(&Item, &[Score])]) -> Vec<Statistic> {
    let rows: Vec<Row<'_>> = scored.iter().map(|(item, scores)| Row { item, scores }).collect();
    let rows = Rows::new(rows);
    match framework {
        Framework::Crows => pairs::statistics(&rows),
        Framework::Stereoset => associations::statistics(&rows),
        Framework::Bbq => questions::statistics(&rows),
        Framework::Winogender => pronouns::by_gender(&rows),
        Framework::Winobias => pronouns::by_stereotype(&rows),
        Framework::DiscrimEval => decisions::statistics(&rows),
        Framework::Recognition => names::statistics(&rows),
        Framework::Wikitext => texts::perplexities(&rows),
        Framework::Hellaswag
        | Framework::Arc
        | Framework::Mmlu
        | Framework::Piqa
        | Framework::Boolq
        | Framework::Lambada
        | Framework::Tasks => {
            choices::statistics(&rows).into_iter().chain(texts::cloze(&rows)).collect()
        }
    }
}
