//! Every figure of the report: drawn where it is a drawing, and as numbers.

use plotters::style::RGBColor;

use crate::charts::{self, GREY};
use crate::findings::Findings;
use crate::questions::questions;
use crate::report::ReportError;
use crate::results::Results;

mod answers;
mod budgets;
mod differences;
mod layers;
mod matrices;
mod transfer;

pub(crate) use answers::{MOST_PAIRS, NONE_MISSING, kinds_of, points};
pub(crate) use differences::MOST_ROWS;

/// The folder beside the page that its captions name.
pub const FIGURES: &str = "figures";

/// One figure of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figure {
    /// Of its files, without their endings: letters, digits and hyphens.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The drawing as a file of its own; absent where the page has a table.
    pub svg: Option<String>,
    /// Its numbers. Labels that a spreadsheet would run as formulas begin with an apostrophe.
    pub csv: String,
}

/// Every figure of [`report`](crate::report()), in its order, each with its numbers. Figures about nothing are left out.
///
/// # Errors
/// [`ReportError`] when a figure cannot be drawn or its numbers cannot be written.
pub fn figures(results: &Results) -> Result<Vec<Figure>, ReportError> {
    Ok(plates(&Findings::new(results))?.into_iter().map(Plate::into_figure).collect())
}

/// A figure as the page has it.
#[derive(Debug)]
pub(crate) struct Plate {
    pub name: String,
    pub title: String,
    /// As it stands in the page.
    pub drawing: Option<String>,
    /// What its marks mean.
    pub key: Vec<(String, RGBColor)>,
    pub csv: String,
}

impl Plate {
    fn into_figure(self) -> Figure {
        let svg = self.drawing.map(|drawing| charts::standing_alone(&drawing, &self.key));
        Figure { name: self.name, title: self.title, svg, csv: self.csv }
    }
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

/// What a file about the `index`th context is called: any label becomes letters, digits and single hyphens.
pub(crate) fn file_name(what: &str, index: usize, context: &str) -> String {
    const LONGEST: usize = 40;
    let mut name = format!("{what}-{}-", index + 1);
    for c in context.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
        if name.len() >= LONGEST {
            break;
        }
    }
    name.trim_end_matches('-').into()
}

/// A method's colour and letter, the same in every figure.
pub(crate) fn look_of(found: &Findings, method: &str) -> (RGBColor, String) {
    let mut methods: Vec<&str> = found.families().iter().map(|f| f.method).collect();
    methods.dedup();
    let at = methods.iter().position(|m| *m == method);
    let letter = |at: usize| char::from_u32('A' as u32 + at as u32).filter(char::is_ascii_uppercase);
    let letter = at.map_or(String::new(), |at| letter(at).map_or_else(|| (at + 1).to_string(), String::from));
    (at.map_or(GREY, charts::method_colour), letter)
}
