//! How do time and memory grow with prompts, tokens, layers, groups and variations?

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::{Cost, Failure, cost, finish};
use bias_attrib::{Attribution as _, Contrast, PossibleAnswer, PromptCase, SignedGap, Wanda};
use bias_files::say;
use bias_model::generate::{DecodeOptions, Sampling, decode};
use bias_model::interop::save_pretrained;
use bias_model::{Checkpoint, Decoder, Decoding, HookedModel as _, ModelConfig, Precision};
use bias_probe::{Sequence, StatsCollector, TokenBatch};
use bias_types::TokenRole;
use burn::backend::{Autodiff, Flex};
use clap::Parser;
use indicatif::ProgressBar;
use plotters::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Measure what statistics, answer distributions and gradients cost on random models.
///
/// One size grows at a time, and all others stay the same. The program prints a Markdown table with
/// the exponent of growth (1: twice as much takes twice as long), and draws the curves.
#[derive(Parser)]
struct Args {
    /// Folder for cost.csv and cost.svg
    #[arg(long, value_name = "DIR", default_value = "docs/curves")]
    out: PathBuf,
    /// Number of measurements of each cost, all in one separate process; the fastest time counts,
    /// and the memory of the first
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measure one thing only: a line of JSON, for this program itself
    #[arg(long, num_args = 3, value_names = ["WORK", "SWEEP", "VALUE"], hide = true)]
    only: Option<Vec<String>>,
    /// Write the model with so many layers to a folder, for this program itself
    #[arg(long, num_args = 2, value_names = ["LAYERS", "DIR"], hide = true)]
    write: Option<Vec<String>>,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

/// What a pass is given: one of these grows, the others stay.
#[derive(Clone, Copy)]
struct Size {
    prompts: usize,
    tokens: usize,
    layers: usize,
    groups: usize,
    variations: usize,
}

const USUAL: Size = Size { prompts: 32, tokens: 48, layers: 6, groups: 2, variations: 2 };
const VOCAB: usize = 512;

/// Something that grows, and how far.
struct Sweep {
    what: &'static str,
    values: &'static [usize],
    with: fn(usize) -> Size,
}

const SWEEPS: [Sweep; 5] = [
    Sweep {
        what: "prompts",
        values: &[16, 32, 64, 128, 256],
        with: |prompts| Size { prompts, ..USUAL },
    },
    Sweep {
        what: "tokens",
        values: &[16, 32, 64, 128, 256],
        with: |tokens| Size { tokens, ..USUAL },
    },
    Sweep { what: "layers", values: &[2, 4, 8, 16, 32], with: |layers| Size { layers, ..USUAL } },
    Sweep { what: "groups", values: &[1, 2, 4, 8], with: |groups| Size { groups, ..USUAL } },
    Sweep {
        what: "variations",
        values: &[1, 2, 4, 8],
        with: |variations| Size { variations, ..USUAL },
    },
];

/// A piece of work, what of its size counts, and whether weights are left in their file.
struct Work {
    what: &'static str,
    grows_with: &'static [&'static str],
    run: fn(&Size, &Decoder<Flex>) -> Result<(), Failure>,
    streamed: bool,
}

impl Work {
    const fn new(
        what: &'static str,
        grows_with: &'static [&'static str],
        run: fn(&Size, &Decoder<Flex>) -> Result<(), Failure>,
    ) -> Self {
        Self { what, grows_with, run, streamed: false }
    }
}

const ANSWERED: [&str; 4] = ["prompts", "tokens", "layers", "variations"];
static WORKS: [Work; 5] = [
    Work::new("statistics", &["prompts", "tokens", "layers", "groups"], statistics),
    Work::new("exact answers", &["prompts", "tokens", "layers"], answers),
    Work::new("Wanda", &ANSWERED, wanda),
    Work::new("signed gap", &ANSWERED, signed_gap),
    Work {
        streamed: true,
        ..Work::new("signed gap, streamed", &["prompts", "layers"], signed_gap)
    },
];

fn model(layers: usize) -> Result<Decoder<Flex>, Failure> {
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256,
        "intermediate_size": 688, "num_hidden_layers": layers, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": VOCAB, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "rope_theta": 10_000.0, "hidden_act": "silu", "tie_word_embeddings": true,
        "bos_token_id": 1, "eos_token_id": 2,
    });
    let serde_json::Value::Object(config) = config else { return Err("no object".into()) };
    Ok(Decoder::init(ModelConfig::from_json(config)?, 0.05, 7, &Default::default()))
}

/// Token `i` of prompt `n`; all prompts begin differently, so that nothing is shared.
fn token(n: usize, i: usize) -> u32 {
    (3 + (n * 7919 + i * 104_729) % (VOCAB - 3)) as u32
}

fn prompts(size: &Size) -> Result<Vec<Sequence>, Failure> {
    variation(size, 0)
}

/// Those of one variation.
fn variation(size: &Size, variation: usize) -> Result<Vec<Sequence>, Failure> {
    let of = |n: usize| {
        let n = variation * size.prompts + n;
        let tokens = (0..size.tokens).map(|i| token(n, i)).collect();
        Ok(Sequence::chain(tokens, vec![TokenRole::Prompt; size.tokens])?)
    };
    (0..size.prompts).map(of).collect()
}

fn statistics(size: &Size, model: &Decoder<Flex>) -> Result<(), Failure> {
    let sites = model.dims().projections().map(|(_, layer, p)| p.input_site(layer));
    let mut stats = StatsCollector::new(sites, (0..size.groups).map(|g| g.to_string()));
    for (i, chunk) in prompts(size)?.chunks(8).enumerate() {
        stats.next((0..chunk.len()).map(|row| (8 * i + row) % size.groups))?;
        model.hidden(&TokenBatch::new(chunk)?, &mut stats)?;
    }
    stats.finish()?;
    Ok(())
}

fn answers(size: &Size, model: &Decoder<Flex>) -> Result<(), Failure> {
    let options = DecodeOptions {
        sampling: Sampling::default(),
        stop: vec![2],
        max_new_tokens: 3,
        batch_rows: 8,
        threads: 2,
    };
    let decoding = Decoding::Exact { unexplored: 0.5, tokens: 24, seed: 0 };
    decode(model, &prompts(size)?, decoding, &options, |_| Ok(String::new()))?;
    Ok(())
}

/// As many contrasts as variations, the prompts spread over both arms of each.
fn contrasts(size: &Size) -> Result<Vec<Contrast>, Failure> {
    let asked = |prompt: Sequence| {
        let answer = |token: u32, weight| PossibleAnswer {
            tokens: vec![token, token + 1, 2],
            finished: true,
            value: Some(f64::from(token)),
            weight,
            ..PossibleAnswer::default()
        };
        PromptCase::new(prompt, vec![answer(10, 0.5), answer(20, 0.3), answer(30, 0.2)])
    };
    let of = |i| {
        let mut all: Vec<PromptCase> = variation(size, i)?.into_iter().map(asked).collect();
        let mut b = all.split_off(size.prompts / 2);
        // The groups must differ for there to be a gap.
        b.iter_mut().for_each(|own| own.answers[0].weight = 0.4);
        Ok(Contrast { a: all, b })
    };
    (0..size.variations).map(of).collect()
}

fn wanda(size: &Size, model: &Decoder<Flex>) -> Result<(), Failure> {
    Wanda.attribute(model, &Contrast::pooled(&contrasts(size)?))?;
    Ok(())
}

fn signed_gap(size: &Size, model: &Decoder<Flex>) -> Result<(), Failure> {
    let model = model.differentiable::<Autodiff<Flex>>();
    SignedGap::default().score(&model, &contrasts(size)?, &mut |_| Ok(()))?;
    Ok(())
}

/// One row of the table that is written.
struct Row {
    path: &'static str,
    sweep: &'static str,
    value: usize,
    cost: Measured,
}

/// What a process of its own says of one piece of work.
#[derive(Serialize, Deserialize)]
struct Measured {
    seconds: f64,
    /// Anonymous memory at most, above what it was when the model was there.
    peak: Option<u64>,
}

fn run(args: &Args) -> Result<(), Failure> {
    if let Some(only) = &args.only {
        say!("{}", serde_json::to_string(&measure(only, args.rounds)?)?);
        return Ok(());
    }
    if let Some([layers, folder]) = args.write.as_deref() {
        save_pretrained(&model(layers.parse()?)?, Path::new(folder), |_| Ok(()))?;
        return Ok(());
    }
    let jobs: Vec<_> = SWEEPS
        .iter()
        .flat_map(|sweep| WORKS.iter().map(move |work| (sweep, work)))
        .filter(|(sweep, work)| work.grows_with.contains(&sweep.what))
        .flat_map(|(sweep, work)| {
            sweep.values.iter().map(move |value| (sweep.what, work.what, *value))
        })
        .collect();
    let bar = ProgressBar::new(jobs.len() as u64);
    let (program, rounds) = (std::env::current_exe()?, args.rounds.to_string());
    let mut rows = Vec::with_capacity(jobs.len());
    for (sweep, path, value) in jobs {
        let only =
            ["--rounds", &rounds, "--only", path, sweep, &value.to_string()].map(str::to_owned);
        let done = Command::new(&program).args(only).stderr(Stdio::inherit()).output()?;
        if !done.status.success() {
            return Err(format!("{path}, {value} {sweep}: {}", done.status).into());
        }
        rows.push(Row { path, sweep, value, cost: serde_json::from_slice(&done.stdout)? });
        bar.inc(1);
    }
    bar.finish_and_clear();
    std::fs::create_dir_all(&args.out)?;
    let mut csv = csv::Writer::from_path(args.out.join("cost.csv"))?;
    csv.write_record(["path", "sweep", "value", "seconds", "peak_bytes"])?;
    for Row { path, sweep, value, cost: Measured { seconds, peak } } in &rows {
        let peak = peak.map_or(String::new(), |peak| peak.to_string());
        csv.write_record([*path, sweep, &value.to_string(), &format!("{seconds:.5}"), &peak])?;
    }
    csv.flush()?;
    draw(&args.out.join("cost.svg"), &rows)?;
    print_table(&rows);
    Ok(())
}

fn measure(only: &[String], rounds: usize) -> Result<Measured, Failure> {
    let [work, sweep, value] = only else { return Err("--only takes three".into()) };
    let work = WORKS.iter().find(|own| own.what == work).ok_or("no such work")?;
    let sweep = SWEEPS.iter().find(|own| own.what == sweep).ok_or("no such sweep")?;
    let size = (sweep.with)(value.parse()?);
    let parent = tempfile::tempdir()?;
    let model = if work.streamed {
        let folder = parent.path().join("model");
        // By another process: what this one held of it would count as free.
        let mut writer = Command::new(std::env::current_exe()?);
        writer.args(["--write", &size.layers.to_string()]).arg(&folder);
        if !writer.status()?.success() {
            return Err("the model was not written".into());
        }
        let (config, checkpoint) = (ModelConfig::from_folder(&folder)?, Checkpoint::open(&folder)?);
        Decoder::load(&checkpoint, config, Precision::Mapped, &Default::default())?
    } else {
        model(size.layers)?
    };
    let (done, Cost { mut seconds, peak }) = cost(|| (work.run)(&size, &model));
    done?;
    for _ in 1..rounds {
        let (done, again) = cost(|| (work.run)(&size, &model));
        done?;
        seconds = seconds.min(again.seconds);
    }
    Ok(Measured { seconds, peak })
}

/// The rows of one line of the drawing.
fn line<'a>(rows: &'a [Row], path: &'a str, sweep: &'a str) -> impl Iterator<Item = &'a Row> {
    rows.iter().filter(move |row| row.path == path && row.sweep == sweep)
}

fn paths(rows: &[Row]) -> Vec<&'static str> {
    let mut paths: Vec<&'static str> = Vec::new();
    rows.iter().for_each(|row| {
        if !paths.contains(&row.path) {
            paths.push(row.path);
        }
    });
    paths
}

/// How `y` grows with `x` over the upper half of what was measured: the slope of its logarithm.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let (Some(last), Some(first)) = (points.last(), points.get(points.len() / 2)) else {
        return f64::NAN;
    };
    (last.1 / first.1).ln() / (last.0 / first.0).ln()
}

fn print_table(rows: &[Row]) {
    say!("| | grows with | from … to | seconds | exponent | MB at its peak |");
    say!("|---|---|---|---|---|---|");
    for path in paths(rows) {
        for sweep in &SWEEPS {
            let own: Vec<&Row> = line(rows, path, sweep.what).collect();
            let (Some(first), Some(last)) = (own.first(), own.last()) else { continue };
            let times: Vec<(f64, f64)> =
                own.iter().map(|row| (row.value as f64, row.cost.seconds)).collect();
            let peak = |row: &Row| {
                row.cost.peak.map_or("?".into(), |peak| format!("{:.0}", peak as f64 / 1e6))
            };
            say!(
                "| {path} | {} | {} … {} | {:.3} … {:.3} | {:.2} | {} … {} |",
                sweep.what,
                first.value,
                last.value,
                first.cost.seconds,
                last.cost.seconds,
                exponent(&times),
                peak(first),
                peak(last)
            );
        }
    }
}

const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 92, 150),
    RGBColor(200, 85, 0),
    RGBColor(0, 130, 90),
    RGBColor(150, 60, 130),
    RGBColor(90, 90, 90),
];

/// 1, 2 and 5 times powers of ten within a range; powers alone where it is long.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = if high / low > 300.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    all.filter(|tick| (low..=high).contains(tick)).collect()
}

/// Seconds above, megabytes below, a column for each thing that grows; both axes logarithmic.
fn draw(path: &Path, rows: &[Row]) -> Result<(), Failure> {
    let area = SVGBackend::new(path, (1250, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let (legend, panels) = area.split_vertically(36);
    let mut x = 16;
    for (path, colour) in paths(rows).into_iter().zip(COLOURS) {
        legend.draw(&PathElement::new([(x, 18), (x + 26, 18)], colour.stroke_width(3)))?;
        legend.draw(&Text::new(path, (x + 32, 10), ("sans-serif", 15)))?;
        x += 60 + 9 * path.len() as i32;
    }
    let panels = panels.split_evenly((2, SWEEPS.len()));
    for (i, panel) in panels.iter().enumerate() {
        let (sweep, memory) = (&SWEEPS[i % SWEEPS.len()], i >= SWEEPS.len());
        let y = |row: &Row| {
            if memory {
                row.cost.peak.map(|p| (p as f64 / 1e6).max(0.1))
            } else {
                Some(row.cost.seconds)
            }
        };
        let own: Vec<&Row> = rows.iter().filter(|row| row.sweep == sweep.what).collect();
        let ys: Vec<f64> = own.iter().filter_map(|row| y(row)).collect();
        let (low, high) = (
            ys.iter().copied().fold(f64::INFINITY, f64::min),
            ys.iter().copied().fold(0.0, f64::max),
        );
        let (Some(first), Some(last)) = (sweep.values.first(), sweep.values.last()) else {
            continue;
        };
        if !low.is_finite() {
            continue;
        }
        let values: Vec<f64> = sweep.values.iter().map(|value| *value as f64).collect();
        let (low, high) = (low / 1.3, high * 1.3);
        let mut chart = ChartBuilder::on(panel)
            .margin(8)
            .x_label_area_size(38)
            .y_label_area_size(48)
            .build_cartesian_2d(
                (*first as f64..*last as f64).log_scale().with_key_points(values),
                (low..high).log_scale().with_key_points(ticks(low, high)),
            )?;
        chart
            .configure_mesh()
            .x_labels(5)
            .y_labels(5)
            .x_desc(sweep.what)
            .y_desc(if memory { "MB" } else { "seconds" })
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| if *y < 1.0 { format!("{y:.2}") } else { format!("{y:.0}") })
            .light_line_style(WHITE)
            .draw()?;
        for (path, colour) in paths(rows).into_iter().zip(COLOURS) {
            let points: Vec<(f64, f64)> = line(rows, path, sweep.what)
                .filter_map(|row| Some((row.value as f64, y(row)?)))
                .collect();
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            chart.draw_series(
                points.into_iter().map(|point| Circle::new(point, 3, colour.filled())),
            )?;
        }
    }
    area.present()?;
    Ok(())
}
