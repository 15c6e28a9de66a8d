//! Results for people: a page, figures, tables for a terminal, Markdown. It knows results and no
//! model.

mod also;
mod benchmark;
mod certainty;
mod charts;
mod compare;
mod csv_table;
mod error;
mod figures;
mod findings;
mod generalization;
mod markdown;
mod numbers;
mod page;
mod question;
mod questions;
mod sentences;
mod side_by_side;
mod tables;
mod words;

pub use self::benchmark::{
    budgets_table, left_out_table, localisation_table, pareto_chart, pareto_table, transfer_table,
};
pub use self::compare::compared;
pub use self::error::ReportError;
pub use self::figures::{FIGURES, Figure, figures};
pub use self::generalization::{
    generalization_chart, generalization_details, generalization_markdown, generalization_tables,
    spliced,
};
pub use self::markdown::{headline, markdown};
pub use self::page::report;
pub use self::side_by_side::{side_by_side_csv, side_by_side_markdown, side_by_side_table};
pub use self::tables::{tables, timing_table};
