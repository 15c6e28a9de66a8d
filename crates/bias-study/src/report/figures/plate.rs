//! A figure, on the page and as files.

use plotters::style::RGBColor;

use crate::report::charts;
use crate::report::charts::GREY;
use crate::report::csv_table::CsvTable;
use crate::report::error::ReportError;
use crate::report::findings::Findings;

/// One figure of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figure {
    /// The name of its files, without extension: letters, digits and hyphens.
    pub name: String,
    /// Its caption.
    pub title: String,
    /// The drawing as a file of its own; absent if the page has a table.
    pub svg: Option<String>,
    /// Its numbers. Labels that a spreadsheet would run as formulas begin with an apostrophe.
    pub csv: String,
}

/// A figure on the page.
#[derive(Debug)]
pub(crate) struct Plate {
    pub name: String,
    pub title: String,
    /// The drawing on the page.
    pub drawing: Option<String>,
    /// The legend of its marks.
    pub key: Vec<(String, RGBColor)>,
    pub csv: String,
}

impl Plate {
    pub(super) fn into_figure(self) -> Figure {
        let svg = self.drawing.map(|drawing| charts::standing_alone(&drawing, &self.key));
        Figure { name: self.name, title: self.title, svg, csv: self.csv }
    }
}

/// The file name for the `index`th context: any label becomes letters, digits and single hyphens.
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
    let letter =
        |at: usize| char::from_u32('A' as u32 + at as u32).filter(char::is_ascii_uppercase);
    let letter = at
        .map_or(String::new(), |at| letter(at).map_or_else(|| (at + 1).to_string(), String::from));
    (at.map_or(GREY, charts::method_colour), letter)
}

/// A figure for which the page has a table.
pub(crate) fn table(name: &str, title: &str, csv: &CsvTable) -> Result<Option<Plate>, ReportError> {
    if csv.is_empty() {
        return Ok(None);
    }
    let csv = csv.to_csv(name)?;
    Ok(Some(Plate { name: name.into(), title: title.into(), drawing: None, key: Vec::new(), csv }))
}
