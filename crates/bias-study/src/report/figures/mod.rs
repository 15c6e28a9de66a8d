//! Every figure of the report, as a drawing where there is one, and as numbers.

mod answers;
mod budgets;
mod differences;
mod layers;
mod matrices;
mod plate;
mod transfer;

pub(crate) use self::answers::{MOST_PAIRS, NONE_MISSING, kinds_of, points};
pub(crate) use self::differences::MOST_ROWS;
pub use self::plate::Figure;
pub(crate) use self::plate::{Plate, file_name, look_of};

use crate::report::error::ReportError;
use crate::report::findings::Findings;
use crate::report::questions::questions;
use crate::results::Results;

pub use crate::store::FIGURES;

/// Every figure of [`report`](crate::report()), in its order, each with its numbers. Figures
/// without content are left out.
///
/// # Errors
/// [`ReportError`] when a figure cannot be drawn or its numbers cannot be written.
pub fn figures(results: &Results) -> Result<Vec<Figure>, ReportError> {
    Ok(plates(&Findings::new(results))?.into_iter().map(Plate::into_figure).collect())
}

pub(crate) fn plates(found: &Findings) -> Result<Vec<Plate>, ReportError> {
    let mut plates = Vec::new();
    plates.extend(differences::forests(found)?);
    plates.extend(answers::distributions(found)?);
    plates.extend(answers::kinds(found)?);
    plates.extend(differences::baseline(found)?);
    plates.extend(transfer::focus(found)?);
    plates.extend(matrices::overlap_chart(found)?);
    plates.extend(matrices::transfer(found)?);
    plates.extend(budgets::by_share(found)?);
    plates.extend(budgets::pareto(found)?);
    plates.extend(matrices::overlap(found)?);
    plates.extend(layers::layers(found)?);
    plates.extend(transfer::shortfall(found)?);
    for own in questions(found) {
        let (name, title, csv) = (own.name.into(), own.title.clone(), own.csv()?);
        plates.push(Plate { name, title, drawing: None, key: Vec::new(), csv });
    }
    Ok(plates)
}
