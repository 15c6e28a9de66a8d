//! Models side by side: differences are paired by name, and what was not asked alike is said.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bias_study::compare::{Side, side_by_side};
use bias_study::recorded::RecordedAnswers;
use bias_study::report::{side_by_side_csv, side_by_side_markdown, side_by_side_table};
use bias_study::results::{Attribute, Form, SideBySide, SideDifference, SideMeasure};
use bias_study::{Settings, StudyError};

use crate::made_up::{self, HOSTILE};

/// One answer about each name of two groups, in two variations.
struct Model {
    names: u32,
    /// How much more people of the first group are offered.
    gap: f64,
    /// What sets this model's answers apart from those of others, as a seed.
    noise: u32,
    scale: f64,
    text: &'static str,
}

impl Default for Model {
    fn default() -> Self {
        Self { names: 20, gap: 10.0, noise: 0, scale: 1.0, text: "What is the ITEM of NAME worth?" }
    }
}

/// A number from 0 to 1 that these decide.
fn drawn(of: &[u32]) -> f64 {
    let mixed = of.iter().fold(0x9e37_79b9_u32, |sum, own| {
        let next = (sum ^ own.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35);
        next ^ (next >> 15)
    });
    f64::from(mixed) / f64::from(u32::MAX)
}

impl Model {
    fn side(&self, name: &str) -> Result<Side, StudyError> {
        let mut csv = "scenario,variation,name_group,name,prompt_text,response\n".to_owned();
        for (item, variation) in (0..).zip(["car", "sofa"]) {
            for (side, (group, gap)) in (0..).zip([("white", self.gap), ("black", 0.0)]) {
                for at in 0..self.names {
                    let name = format!("Person{at} {group}");
                    // The same about a name whoever answers, and something of the model.
                    let shared = 40.0 * drawn(&[at, side, item]);
                    let own = 4.0 * drawn(&[at, side, item, self.noise]);
                    let answer = 1000.0 * self.scale * (100.0 + gap + shared + own);
                    let text = self.text.replace("ITEM", variation).replace("NAME", &name);
                    writeln!(csv, "price,{variation},{group},{name},{text},{answer:.0}").unwrap();
                }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{name}.csv"));
        fs::write(&path, csv).unwrap();
        let race = Attribute::before("race", "_");
        let groups = Some(["white", "black"]);
        let own = RecordedAnswers::read(&path, &race, groups, &Form::default(), &[], &[])?;
        Side::recorded(own.into_iter().next().unwrap(), &settings())
    }
}

fn settings() -> Settings {
    Settings { resamples: 400, ..Settings::default() }
}

fn compared(sides: &[Side]) -> SideBySide {
    side_by_side(sides, &settings()).unwrap()
}

/// The difference of the second model in a row.
fn second<'s>(found: &'s SideBySide, measure: &SideMeasure) -> &'s SideDifference {
    let row = found.rows.iter().find(|row| row.measure == *measure).unwrap();
    row.differences[1].as_ref().unwrap()
}

#[test]
fn differences_are_paired_by_name() {
    let plain = Model::default().side("plain").unwrap();
    let alike = Model { noise: 1, scale: 100.0, ..Model::default() }.side("alike").unwrap();
    let fair = Model { gap: 0.0, noise: 2, ..Model::default() }.side("fair").unwrap();
    let found = compared(&[plain, alike, fair]);
    assert_eq!(found.models, ["plain", "alike", "fair"]);
    assert_eq!(found.rows.len(), 4);
    assert!(found.remarks.is_empty(), "{:?}", found.remarks);
    for row in &found.rows {
        assert!(row.differences[0].is_none());
        let width = |at: usize| {
            let [low, high] = row.cells[at].as_ref().unwrap().estimate.interval.unwrap();
            high - low
        };
        let own = row.differences[1].as_ref().unwrap();
        let value = |at: usize| row.cells[at].as_ref().unwrap().estimate.value;
        assert!((own.estimate.value - (value(1) - value(0))).abs() < 1e-12);
        assert_eq!(own.names, Some([20, 20]));
        // What both say of a name cancels: the interval is far narrower than that of either model,
        // and holds 0, on whatever scale a model answers.
        let [low, high] = own.estimate.interval.unwrap();
        assert!(low < 0.0 && high > 0.0 && high - low < 0.6 * width(0), "{row:?}");
        let fair = row.differences[2].as_ref().unwrap();
        match row.measure {
            SideMeasure::MeanAbs => assert_eq!((own.p, fair.p), (None, None)),
            _ => {
                assert!(fair.estimate.interval.unwrap()[1] < 0.0, "{row:?}");
                assert!(own.p.unwrap() > 0.05 && fair.holm.unwrap() < 0.05, "{row:?}");
            }
        }
    }
    // Holm's correction is over the variations of both models.
    let p = |at: usize| -> Vec<f64> {
        let rows = found.rows.iter().filter(|row| matches!(row.measure, SideMeasure::Variation(_)));
        rows.map(|row| row.differences[at].as_ref().unwrap().p.unwrap()).collect()
    };
    let all: Vec<f64> = [1, 2].into_iter().flat_map(p).collect();
    let smallest = all.iter().copied().fold(1.0, f64::min);
    let row = &found.rows[2..]
        .iter()
        .find(|row| row.differences[2].as_ref().unwrap().p == Some(smallest));
    let holm = row.unwrap().differences[2].as_ref().unwrap().holm.unwrap();
    assert!((holm - (4.0 * smallest).min(1.0)).abs() < 1e-12);
}

/// As often as chance finds a difference where there is none.
#[test]
fn a_difference_by_chance_is_found_as_often_as_chance() {
    let of = |noise| Model { noise, ..Model::default() }.side(&noise.to_string()).unwrap();
    let sides: Vec<Side> = (9..50).map(of).collect();
    let found = compared(&sides);
    let row = found.rows.iter().find(|row| row.measure == SideMeasure::MeanSigned).unwrap();
    let low = row.differences.iter().flatten().filter(|own| own.p.unwrap() < 0.1).count();
    // One model is compared with all, so that they are not independent.
    assert!(low < 16, "{low} of 40 below 10 %");
}

#[test]
fn what_was_not_asked_alike_is_said() {
    let plain = || Model::default().side("plain").unwrap();
    let fewer = Model { names: 12, ..Model::default() }.side("fewer").unwrap();
    let other = Model { text: "Please value the ITEM of NAME.", ..Model::default() };
    let found = compared(&[plain(), fewer, other.side("other").unwrap()]);
    let own = second(&found, &SideMeasure::MeanSigned);
    assert_eq!(own.names, Some([12, 12]));
    // Over the names that both have, the answers are the same.
    assert!(own.estimate.value.abs() < 1e-12, "{own:?}");
    let said = |about: &str, what: &str| {
        let line = found.remarks.iter().find(|own| own.starts_with(about));
        assert!(line.is_some_and(|own| own.contains(what)), "{about}: {:?}", found.remarks);
    };
    said("fewer, price", "differences are over the 24 that both have");
    said("other, price", "other prompts than those of plain in 2 of 2 variations (car, sofa)");
    assert_eq!(found.remarks.len(), 2);
    let alone = side_by_side(&[plain()], &settings()).unwrap_err().to_string();
    assert!(alone.contains("one model alone"), "{alone}");
}

#[test]
fn documents_say_what_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    made_up::results("financial").save(&path).unwrap();
    let sides = Side::document(&path, &["financial/wanda".into()]).unwrap();
    let names: Vec<&str> = sides.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(names, ["financial", "financial, financial/wanda-b-a/15%"]);
    let found = compared(&sides);
    let own = second(&found, &SideMeasure::MeanAbs);
    // From 0.5 to 0.25, without names.
    assert_eq!(
        (own.estimate.value, own.estimate.interval, own.names, own.p),
        (-0.25, None, None, None)
    );
    let cell = found.rows[0].cells[0].as_ref().unwrap();
    assert_eq!((cell.estimate.value, cell.names), (0.5, Some([3, 4])));
    assert!(found.remarks.iter().any(|own| own.contains("held-out variations and names only")));
    assert!(found.remarks.iter().any(|own| own.contains("has no answers by name")));
    let all = Side::document(&path, &["all".into()]).unwrap();
    assert_eq!(all.len(), 1 + 6);
    let error = Side::document(&path, &["guess".into()]).unwrap_err().to_string();
    assert!(error.contains("`guess`") && error.contains("`financial/wanda-b-a/15%`"), "{error}");

    // The list of an audit, and that of several models.
    let baseline = serde_json::to_value(made_up::results("financial").baseline).unwrap();
    let several = serde_json::json!([{"model": "a", "baseline": baseline}, {"model": "b", "baseline": baseline}]);
    let read = |text: &str| -> Result<Vec<String>, String> {
        let path = folder.path().join("audit.json");
        fs::write(&path, text).unwrap();
        let found = Side::document(&path, &[]).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|own| own.name).collect())
    };
    assert_eq!(read(&baseline.to_string()).unwrap(), ["audit"]);
    assert_eq!(read(&several.to_string()).unwrap(), ["a", "b"]);
    for (text, expected) in [
        ("{", "it is no JSON"),
        ("{}", "neither the JSON of `bias audit --json`"),
        ("[]", "no context"),
        ("[1]", "neither the JSON"),
        ("{\"format\": \"bias-study/1\"}", ""),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains("audit.json") && error.contains(expected), "{text}: {error}");
    }
    let missing = Side::document(Path::new("/nowhere.json"), &[]);
    assert!(matches!(missing, Err(StudyError::Read { .. })));
    // Of other groups there is no comparison.
    let mut turned = made_up::results("financial");
    turned.prompts.groups.reverse();
    turned.save(&path).unwrap();
    let turned = Side::document(&path, &[]).unwrap().remove(0);
    let error = side_by_side(&[Model::default().side("a").unwrap(), turned], &settings());
    assert!(error.unwrap_err().to_string().contains("compares black and white"));
}

/// Names come from files of others: they break no table, and are no formulas.
#[test]
fn tables_are_whole_whatever_models_are_called() {
    let mut sides = vec![Model::default().side("a").unwrap()];
    sides.push(Model { noise: 3, ..Model::default() }.side("b").unwrap());
    sides[0].name = format!("=1+1|\u{1b}[31m{HOSTILE}");
    let found = compared(&sides);
    let table = side_by_side_table(&found);
    assert!(!table.contains('\u{1b}') && table.contains("price: mean |SMD|"), "{table}");
    assert!(table.contains("20 + 20 names, 0% without") && table.contains("Δ "), "{table}");
    let page = side_by_side_markdown(&found);
    let widths: Vec<usize> = page
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.replace("\\|", "").matches('|').count())
        .collect();
    assert_eq!(widths, [5; 6], "{page}");
    assert!(!page.contains("<script"), "{page}");
    let csv = side_by_side_csv(&found).unwrap();
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4 * 2);
    assert!(rows.iter().all(|row| row[3].starts_with("'=1+1") || &row[3] == "b"));
    // What is not known is empty.
    assert!(rows[0].iter().skip(10).all(str::is_empty), "{:?}", rows[0]);
}
