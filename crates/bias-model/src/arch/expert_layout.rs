use bias_types::model::Experts;
use bias_types::{ModelDims, Projection};

use super::piece::{Part, Piece, StoredRows};

/// An architecture's names for the MLP of a mixture of experts.
#[derive(Debug)]
pub(crate) struct ExpertLayout {
    /// The linear map that scores experts, `[experts, d_model]`, by the names that files give it.
    pub routers: &'static [&'static str],
    /// The expert that every token reaches, and the linear map `[1, d_model]` that scores it.
    pub shared: Option<SharedExpert>,
    /// How the experts may be stored. Files are written in the first form; the last that fits is read.
    pub forms: &'static [ExpertForm],
}

/// The names of an expert that every token reaches.
#[derive(Debug)]
pub(crate) struct SharedExpert {
    pub module: &'static str,
    pub score: &'static str,
}

/// A way to store experts.
#[derive(Debug)]
pub(crate) enum ExpertForm {
    /// Each expert is a module of its own in a list.
    Listed {
        list: &'static str,
        /// What a module calls gate, up and down.
        names: [&'static str; 3],
    },
    /// The matrices of all experts are stacked in two tensors, gate and up in one.
    Stacked {
        gate_up: &'static str,
        down: &'static str,
        /// Matrices are stored `[in, out]`.
        transposed: bool,
        /// Rows of gate and up alternate. Otherwise those of up follow those of gate.
        alternating: bool,
    },
    /// The same in MXFP4, of a file with this tensor: as `[out, in]`, rows of gate and up in turns.
    Packed { blocks: &'static str, gate_up: &'static str, down: &'static str },
}

/// A module for each expert, with Llama's names, and what transformers 5 has in memory.
pub(crate) const LISTED: &[ExpertForm] = &[
    ExpertForm::Listed { list: "mlp.experts", names: ["gate_proj", "up_proj", "down_proj"] },
    STACKED,
];

/// As transformers 5 has most mixtures in memory.
pub(crate) const STACKED: ExpertForm = ExpertForm::Stacked {
    gate_up: "mlp.experts.gate_up_proj",
    down: "mlp.experts.down_proj",
    transposed: false,
    alternating: false,
};

impl ExpertLayout {
    /// What a file with these tensors calls the linear map that scores experts.
    pub(crate) fn router(&self, has: &dyn Fn(&str) -> bool) -> &'static str {
        let found = self.routers.iter().find(|own| has(&format!("{own}.weight")));
        found.or(self.routers.first()).copied().unwrap_or_default()
    }

    /// The parts of a matrix of the MLP. `has` says which tensors the first block has.
    pub(crate) fn pieces(
        &self,
        projection: Projection,
        dims: &ModelDims,
        experts: &Experts,
        has: &dyn Fn(&str) -> bool,
    ) -> Vec<Piece> {
        let first = |form: &&ExpertForm| {
            has(&match form {
                ExpertForm::Packed { blocks, .. } => (*blocks).to_owned(),
                _ => form.piece(projection, dims.d_model, experts, 0).weight,
            })
        };
        let form = self.forms.iter().rev().find(first).or(self.forms.first());
        let routed = (0..experts.count)
            .filter_map(|expert| Some(form?.piece(projection, dims.d_model, experts, expert)));
        let shared = self.shared.as_ref().filter(|_| experts.shared > 0).map(|shared| {
            let name = ["gate_proj", "up_proj", "down_proj"][number(projection)];
            let module = format!("{}.{name}", shared.module);
            own(&module, projection, dims.d_model, experts, experts.count)
        });
        routed.chain(shared).collect()
    }
}

impl ExpertForm {
    fn piece(
        &self,
        projection: Projection,
        d_model: usize,
        experts: &Experts,
        expert: usize,
    ) -> Piece {
        match self {
            Self::Listed { list, names } => {
                let module = format!("{list}.{expert}.{}", names[number(projection)]);
                own(&module, projection, d_model, experts, expert)
            }
            Self::Packed { gate_up, down, .. } => {
                let form = Self::Stacked { gate_up, down, transposed: false, alternating: true };
                Piece { as_one: true, ..form.piece(projection, d_model, experts, expert) }
            }
            Self::Stacked { gate_up, down, transposed, alternating } => {
                let (name, width) =
                    (if projection == Projection::Down { down } else { gate_up }, experts.d_expert);
                let second = usize::from(projection == Projection::Up);
                let place = match projection {
                    Projection::Down => StoredRows::own("", d_model),
                    _ if *alternating => {
                        StoredRows { module: "", rows: 2 * width, first: second, run: 1, stride: 2 }
                    }
                    _ => StoredRows::slice("", 2 * width, second * width, width),
                };
                let piece = own("", projection, d_model, experts, expert);
                Piece {
                    weight: (*name).to_owned(),
                    bias: format!("{name}_bias"),
                    part: Part { place, transposed: *transposed, ..piece.part },
                    stacked: Some((expert, experts.count)),
                    ..piece
                }
            }
        }
    }
}

/// An expert's matrix that is stored by itself, in a module.
fn own(
    module: &str,
    projection: Projection,
    d_model: usize,
    experts: &Experts,
    expert: usize,
) -> Piece {
    let channels = experts.channels(expert);
    match projection {
        Projection::Down => {
            Piece { first: [0, channels.start], ..Piece::whole(module, [d_model, channels.len()]) }
        }
        _ => {
            Piece { first: [channels.start, 0], ..Piece::whole(module, [channels.len(), d_model]) }
        }
    }
}

/// The number of a matrix among gate, up and down.
fn number(projection: Projection) -> usize {
    match projection {
        Projection::Gate => 0,
        Projection::Down => 2,
        _ => 1,
    }
}
