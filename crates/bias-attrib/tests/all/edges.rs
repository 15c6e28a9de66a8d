//! Edges by integrated gradients, against PyTorch with an input of its own for every reader
//! (`fixtures/attrib/edges.py`), against finite differences, and against what they add up to.

use std::collections::BTreeSet;
use std::path::Path;

use bias_attrib::methods::{ActivationPatching, AttributionPatching, IntegratedEdges};
use bias_attrib::scores::{Component, Edge, EdgeScores, Reader, Writer};
use bias_attrib::{AttribError, Attribution as _, PromptCase};
use bias_model::{Decoder, HookedModel};
use bias_probe::hooks::{Both, Edit};
use bias_probe::{Capture, NoObserver, Observer, ProbeError, TokenBatch, Weights};
use bias_types::model::{HeadId, KvGroupId};
use bias_types::{BlockSite, ModelDims, ParamPath, Projection, Site, Unit};
use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule as _;
use burn::tensor::{Tensor, TensorData};

use crate::golden::{CASES, Case, TOLERANCE};
use crate::golden_model::{TEMPERATURE, alone, log_probability, mean_by, spread};
use crate::{conformance, golden_model};

type A = Autodiff<Flex>;

fn in_steps(steps: usize) -> IntegratedEdges {
    IntegratedEdges::default().with_steps(steps).unwrap()
}

/// `[readers, writers]`, 0 where there is no edge.
fn table(found: &EdgeScores, dims: &ModelDims) -> Vec<f32> {
    let mut writers = vec![Writer::Embedding];
    let mut readers = Vec::new();
    for layer in 0..dims.layers {
        writers.extend((0..dims.heads).map(|h| Writer::Head(HeadId::new(layer, h))));
        writers.push(Writer::Mlp(layer));
        readers.extend((0..dims.heads).map(|h| Reader::Query(HeadId::new(layer, h))));
        readers.extend((0..dims.kv_heads).map(|g| Reader::Key(KvGroupId::new(layer, g))));
        readers.extend((0..dims.kv_heads).map(|g| Reader::Value(KvGroupId::new(layer, g))));
        readers.push(Reader::Mlp(layer));
    }
    readers.push(Reader::Logits);
    let edges = readers.into_iter().flat_map(|to| writers.iter().map(move |from| (*from, to)));
    let scores: Vec<_> = edges.map(|(from, to)| found.get(Edge { from, to }).ok()).collect();
    assert_eq!(scores.iter().flatten().count(), found.scores.len());
    scores.into_iter().map(Option::unwrap_or_default).collect()
}

#[test]
fn edges_equal_autograd_with_split_inputs() {
    for case in CASES.map(Case::edges) {
        for steps in [1, 3] {
            let method = in_steps(steps).with_temperature(case.temperature).unwrap();
            let found = case.run_tracked(&method);
            let own = table(&found, case.model.dims());
            case.close(&format!("edges/{steps}"), &own, TOLERANCE);
        }
    }
}

/// Of every architecture: the edges out of a component add up to its score by attribution patching,
/// and heads are refused where a norm stands behind attention.
#[test]
fn edges_in_one_step_add_up_to_attribution_patching() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden");
    let mut normed_after = BTreeSet::new();
    let (mut cases, mut worst) = (0, 0f64);
    for folder in std::fs::read_dir(golden).unwrap().map(Result::unwrap) {
        if !folder.file_type().unwrap().is_dir() || !folder.path().join("config.json").exists() {
            continue;
        }
        let name = folder.file_name().into_string().unwrap();
        let (model, contrast) = (conformance::model(&name), conformance::contrast());
        let (dims, model) = (*model.dims(), model.differentiable::<A>());
        let found = match in_steps(1).attribute(&model, &contrast) {
            Err(AttribError::HeadsNotAdded { .. }) => {
                normed_after.insert(name.split('_').next().unwrap().to_owned());
                in_steps(1).by_layer().attribute(&model, &contrast)
            }
            found => found,
        };
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut nodes: Vec<(Writer, Component)> =
            vec![(Writer::Embedding, Site::Block(0, BlockSite::ResidPre).into())];
        for layer in 0..dims.layers {
            nodes.push((Writer::Mlp(layer), Site::Block(layer, BlockSite::MlpAdded).into()));
            let attention = Site::Block(layer, BlockSite::AttnAdded);
            nodes.push((Writer::Attention(layer), attention.into()));
            nodes.extend((0..dims.heads).map(|head| {
                let id = HeadId::new(layer, head);
                (Writer::Head(id), Unit::Head(id).into())
            }));
        }
        let written: BTreeSet<Writer> = found.scores.iter().map(|(edge, _)| edge.from).collect();
        nodes.retain(|(writer, _)| written.contains(writer));
        assert_eq!(nodes.len(), written.len(), "{name}");
        let patching = AttributionPatching::of(nodes.iter().map(|(_, own)| own.clone()));
        let patching = patching.attribute(&model, &contrast).unwrap();
        let largest = patching.scores.iter().fold(0f32, |most, (_, own)| most.max(own.abs()));
        for (writer, component) in nodes {
            let (sum, own) = (found.out_of(writer), patching.get(&component).unwrap());
            let off = (sum - f64::from(own)).abs() / f64::from(largest);
            worst = worst.max(off);
            assert!(off < 1e-5, "{name}, {writer}: {sum} against {own}, off by {off:.1e}");
        }
        cases += 1;
    }
    println!("{cases} models: off by {worst:.1e} at most");
    assert!(cases > 50, "{cases}");
    let normed_after: Vec<&str> = normed_after.iter().map(String::as_str).collect();
    assert_eq!(normed_after, ["exaone4", "gemma2", "gemma3", "olmo2", "olmo3"]);
}

/// The edges out of the embedding add up to the fall of the gap with A's embeddings in B's runs.
#[test]
fn edges_out_of_the_embedding_are_complete() {
    for case in CASES.map(Case::edges) {
        let whole = ActivationPatching::of([Site::Block(0, BlockSite::ResidPre)]);
        let whole = case.run(&whole.with_temperature(case.temperature).unwrap());
        let (fall, gap) = (f64::from(whole.scores[0].1), f64::from(case.gap));
        let off = |steps: usize| {
            let method = in_steps(steps).with_temperature(case.temperature).unwrap();
            let sum = case.run_tracked(&method).out_of(Writer::Embedding);
            // The fall of |G| is that of the signed gap unless the gap changes its sign.
            ((gap - sum).abs() - (gap - fall)).abs() / gap
        };
        let (few, many) = (off(64), off(256));
        println!("{}: off by {few:.1e} and {many:.1e} of the gap", case.name);
        assert!(many < 0.3 * few && many < 1e-2, "{}: {few} and {many}", case.name);
    }
}

/// An activation of a run.
fn seen(model: &Decoder<Flex>, batch: &TokenBatch, site: Site) -> Tensor<Flex, 3> {
    let mut capture = Capture::new([site]);
    model.hidden(batch, &mut capture).unwrap();
    let own = capture.finish().unwrap().remove(&site).unwrap();
    let shape: [usize; 3] = own.shape.try_into().unwrap();
    Tensor::from_data(TensorData::new(own.values, shape), &Default::default())
}

/// What a writer writes, from the activation that it writes by.
fn write(model: &Decoder<Flex>, batch: &TokenBatch, writer: Writer) -> Tensor<Flex, 3> {
    match writer {
        Writer::Embedding => seen(model, batch, Site::Embedding),
        Writer::Mlp(layer) => seen(model, batch, Site::Block(layer, BlockSite::MlpOut)),
        Writer::Head(id) => {
            let columns = model.dims().head_columns(id).unwrap();
            let path = ParamPath::of(id.layer, Projection::O);
            let weight = Weights::weight(model, &path).unwrap();
            let own = seen(model, batch, Site::Block(id.layer, BlockSite::HeadOutput));
            let own = own.narrow(2, columns.start, columns.len());
            own.matmul(weight.narrow(1, columns.start, columns.len()).transpose().unsqueeze())
        }
        other => panic!("{other}"),
    }
}

/// The log-probability of an answer if a reader's own copy of the residual stream is shifted: what
/// it makes of it is taken from a run in which everything is shifted, and put into one in which
/// nothing is.
fn shifted(
    model: &Decoder<Flex>,
    batch: &TokenBatch,
    last: usize,
    reader: Reader,
    shift: &Tensor<Flex, 3>,
) -> f64 {
    let dims = model.dims();
    let (read_at, made_at, own) = match reader {
        Reader::Query(HeadId { layer, head }) => {
            let rows = head * dims.d_head..(head + 1) * dims.d_head;
            (Site::Block(layer, BlockSite::ResidPre), Site::Block(layer, BlockSite::Query), rows)
        }
        Reader::Key(id) => {
            let rows = dims.group_rows(id).unwrap();
            let layer = id.layer;
            (Site::Block(layer, BlockSite::ResidPre), Site::Block(layer, BlockSite::Key), rows)
        }
        Reader::Value(id) => {
            let rows = dims.group_rows(id).unwrap();
            let layer = id.layer;
            (Site::Block(layer, BlockSite::ResidPre), Site::Block(layer, BlockSite::Value), rows)
        }
        Reader::Mlp(layer) => {
            let made = Site::Block(layer, BlockSite::MlpOut);
            (Site::Block(layer, BlockSite::ResidMid), made, 0..dims.d_model)
        }
        Reader::Logits => {
            let last = Site::Block(dims.layers - 1, BlockSite::ResidPost);
            (last, Site::FinalNorm, 0..dims.d_model)
        }
        other => panic!("{other}"),
    };
    let mut capture = Capture::new([made_at]);
    let mut edit = Edit::new(read_at, |_: &TokenBatch, x: Tensor<Flex, 3>| x + shift.clone());
    model.hidden(batch, &mut Both(&mut edit, &mut capture)).unwrap();
    let made = capture.finish().unwrap().remove(&made_at).unwrap();
    let shape: [usize; 3] = made.shape.try_into().unwrap();
    let made: Tensor<Flex, 3> =
        Tensor::from_data(TensorData::new(made.values, shape), &Default::default());
    let mut put = Edit::new(made_at, |_: &TokenBatch, x: Tensor<Flex, 3>| {
        let [rows, width, _] = x.dims();
        let own = [0..rows, 0..width, own.clone()];
        x.slice_assign(own.clone(), made.clone().slice(own))
    });
    let found = log_probability(model, batch, last, TEMPERATURE, &mut put);
    put.finish().unwrap();
    found
}

#[test]
fn edges_in_one_step_are_finite_differences() {
    let tracked = golden_model::model();
    let contrast = golden_model::contrast(&tracked);
    let model = tracked.valid();
    let found = in_steps(1).with_temperature(TEMPERATURE).unwrap();
    let found = found.attribute(&tracked, &contrast).unwrap();
    let mean = |group: &[PromptCase]| {
        mean_by(group, |i, answer| {
            let batch = alone(&group[i].prompt, answer);
            log_probability(&model, &batch, answer.tokens.len(), TEMPERATURE, &mut NoObserver)
        })
    };
    let (sign, spread) = ((mean(&contrast.a) - mean(&contrast.b)).signum(), spread(&contrast));
    let head = |layer, head| Writer::Head(HeadId::new(layer, head));
    let group = |layer, group| KvGroupId::new(layer, group);
    let edges = [
        (Writer::Embedding, Reader::Query(HeadId::new(0, 2))),
        (Writer::Embedding, Reader::Value(group(0, 1))),
        (head(0, 1), Reader::Mlp(0)),
        (head(0, 3), Reader::Value(group(1, 0))),
        (Writer::Mlp(0), Reader::Key(group(1, 1))),
        (head(0, 0), Reader::Query(HeadId::new(1, 3))),
        (Writer::Mlp(0), Reader::Mlp(1)),
        (head(1, 2), Reader::Logits),
    ];
    let largest = f64::from(found.ranked()[0].1.abs());
    for (from, to) in edges {
        let towards = |share: f64| {
            mean_by(&contrast.b, |i, answer| {
                let batch = alone(&contrast.b[i].prompt, answer);
                let other = alone(&contrast.a[i].prompt, answer);
                let step = write(&model, &other, from) - write(&model, &batch, from);
                let shift = step.mul_scalar(share);
                shifted(&model, &batch, answer.tokens.len(), to, &shift)
            })
        };
        const H: f64 = 0.005;
        let slope = sign * (towards(H) - towards(-H)) / (2.0 * H) / spread;
        let own = f64::from(found.get(Edge { from, to }).unwrap());
        println!("{from} → {to}: {own:.6} against {slope:.6}, the largest {largest:.4}");
        assert!(
            (own - slope).abs() < 5e-3 * slope.abs().max(0.01 * largest),
            "{from} → {to}: {own} against {slope}"
        );
    }
}

/// A model whose sites do not tell how it reads: its weights are not those that it runs with.
struct Disguised(Decoder<A>);

impl Weights<A> for Disguised {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<A, 2>, ProbeError> {
        Ok(self.0.weight(path)?.mul_scalar(2.0))
    }
}

impl HookedModel<A> for Disguised {
    fn dims(&self) -> &ModelDims {
        self.0.dims()
    }
    fn device(&self) -> burn::backend::flex::FlexDevice {
        self.0.device()
    }
    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<A>,
    ) -> Result<Tensor<A, 3>, ProbeError> {
        self.0.hidden(batch, observer)
    }
    fn unembed(&self, hidden: Tensor<A, 3>) -> Result<Tensor<A, 3>, ProbeError> {
        self.0.unembed(hidden)
    }
    fn sites(&self) -> Vec<Site> {
        self.0.sites()
    }
}

#[test]
fn edges_that_are_not_all_are_refused() {
    let model = conformance::model("gqa_sharded").differentiable::<A>();
    let contrast = conformance::contrast();
    assert!(in_steps(1).attribute(&model, &contrast).is_ok());
    let refused = in_steps(1).attribute(&Disguised(model), &contrast);
    assert!(matches!(refused, Err(AttribError::EdgesIncomplete { .. })), "{refused:?}");
}
