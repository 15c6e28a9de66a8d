use std::collections::BTreeMap;

use safetensors::tensor::TensorView;

use super::files::Adapter;
use super::names::{OUTER, Role, role};
use crate::checkpoint::low_rank::LowRank;
use crate::checkpoint::packed::float::Float;
use crate::checkpoint::piece::Piece;
use crate::checkpoint::quantized::groups::Found;
use crate::checkpoint::view::View;
use crate::error::ModelError;

type Parts<'a> = BTreeMap<Role, TensorView<'a>>;

impl Adapter {
    /// Puts the changed tensors in the place of the base's. `file` is the number of the adapter's
    /// file.
    ///
    /// # Errors
    /// [`ModelError::Adapter`] for tensors that fit nothing in the base.
    pub(crate) fn apply<'a>(
        &'a self,
        found: &mut Found<'a>,
        file: usize,
    ) -> Result<(), ModelError> {
        let mut modules: BTreeMap<String, Parts<'a>> = BTreeMap::new();
        let mut whole = Vec::new();
        for (name, tensor) in self.parse()?.tensors() {
            match role(&name) {
                (own, Role::Whole) if own.contains(".lora_") => {
                    return Err(self.odd(&name, "is no tensor of a LoRA adapter that is read"));
                }
                (own, Role::Whole) => whole.push((own, tensor)),
                (module, role) => drop(modules.entry(module).or_default().insert(role, tensor)),
            }
        }
        if modules.is_empty() && whole.is_empty() {
            return Err(self.odd(&self.file.path.display().to_string(), "holds no tensors"));
        }
        for (name, tensor) in whole {
            let shape = tensor.shape().to_vec();
            let view = View::new(tensor.data(), shape, tensor.dtype().into());
            // One that the base leaves out, as the head of a tied model, is told by the loader.
            let name = matching(found, &name).unwrap_or(name);
            found.insert(name, (file, view));
        }
        for (module, parts) in modules {
            self.change(found, file, &module, &parts)?;
        }
        Ok(())
    }

    /// Refuses a change of a table that serves as embedding and as head: merged it would change
    /// both, and beside the model, as it was trained, one.
    ///
    /// # Errors
    /// [`ModelError::Adapter`].
    pub(crate) fn check_tied(&self, table: &str) -> Result<(), ModelError> {
        if self.settings.ties {
            return Ok(());
        }
        Err(self.odd(
            table,
            "serves as embedding and as head, and the adapter changes one of them; merge it with \
             peft and save both (tie_word_embeddings false), or say `ensure_weight_tying` in its \
             adapter_config.json if both are meant",
        ))
    }

    fn odd(&self, tensor: &str, reason: &str) -> ModelError {
        let path = self.file.path.clone();
        ModelError::Adapter { path, reason: format!("{tensor} {reason}") }
    }

    fn change<'a>(
        &self,
        found: &mut Found<'a>,
        file: usize,
        module: &str,
        parts: &Parts<'a>,
    ) -> Result<(), ModelError> {
        let weight = format!("{module}.weight");
        let odd = |reason: &str| self.odd(module, reason);
        let embedding =
            parts.contains_key(&Role::EmbeddingA) || parts.contains_key(&Role::EmbeddingB);
        let (a, b) =
            if embedding { (Role::EmbeddingA, Role::EmbeddingB) } else { (Role::A, Role::B) };
        let (Some(a), Some(b)) = (parts.get(&a), parts.get(&b)) else {
            return Err(odd("has one of lora_A and lora_B, not both"));
        };
        let Some(own) = matching(found, &weight) else {
            let head = "lm_head";
            let tied = if module.ends_with(head) {
                "; of a model that stores its embedding and its head as one, a change of one of them \
                 alone is not read, as merging it would change both"
            } else {
                ""
            };
            return Err(odd(&format!("is no matrix of the base, {}{tied}", self.base.display())));
        };
        let Some((_, view)) = found.get_mut(&own) else { return Ok(()) };
        let (Some(first), Some(second)) = (float(a), float(b)) else {
            let reason = format!("has lora_A of {:?} and lora_B of {:?}", a.dtype(), b.dtype());
            return Err(odd(&(reason + ", not of F32, BF16 or F16")));
        };
        let shapes = format!(
            "has lora_A {:?} and lora_B {:?}, which do not fit the base's {:?}",
            a.shape(),
            b.shape(),
            view.shape
        );
        let (&[rank, inner], &[out, other]) = (a.shape(), b.shape()) else {
            return Err(odd(&shapes));
        };
        if rank != other || rank == 0 {
            return Err(odd(&(shapes + ": their ranks differ, or are 0")));
        }
        if let Some(said) = self.settings.rank(module).filter(|said| *said != rank as f64) {
            let path = self.settings.path.display();
            return Err(odd(&format!("has the rank {rank}, and {path} says {said}")));
        }
        let straight = view.shape == [out, inner];
        let reversed = view.shape == [inner, out];
        // Where the shapes leave a choice, the setting decides. peft corrects it by the module.
        let turned = match (embedding, straight, reversed) {
            (true, _, true) => true,
            (false, true, true) => self.settings.transposed,
            (false, true, false) => false,
            (false, false, true) => true,
            _ => return Err(odd(&shapes)),
        };
        let lengths = match parts.get(&Role::Lengths) {
            None if self.settings.lengths => return Err(odd("has no lora_magnitude_vector")),
            None => None,
            Some(_) if turned || !self.settings.lengths => {
                return Err(odd(
                    "has a lora_magnitude_vector, which is read where `use_dora` says so, and not of \
                     embeddings and of matrices that are stored transposed; merge the adapter with \
                     peft (merge_and_unload)",
                ));
            }
            Some(own) => {
                let rows = own.shape().iter().product::<usize>();
                match float(own).filter(|_| rows == out) {
                    Some(float) => Some((Piece { file, data: own.data() }, float)),
                    None => {
                        let reason = format!(
                            "has a lora_magnitude_vector {:?} {:?}, not of {out} values",
                            own.dtype(),
                            own.shape()
                        );
                        return Err(odd(&reason));
                    }
                }
            }
        };
        for (what, tensor, float) in [("lora_A", a, first), ("lora_B", b, second)] {
            float
                .all(tensor.data())
                .map_err(|error| error.of(&self.file.path, &format!("{OUTER}{module}.{what}")))?;
        }
        let [a, b] = [a, b].map(|own| Piece { file, data: own.data() });
        let (left, right) = if turned { (a, b) } else { (b, a) };
        let floats = if turned { [first, second] } else { [second, first] };
        let scale = self.settings.scale(module, rank);
        if !scale.is_finite() {
            return Err(odd("has a scale that is not finite"));
        }
        view.beside.change = Some(LowRank {
            left,
            right,
            floats,
            rank,
            scale,
            turned,
            lengths,
            factors: Default::default(),
        });
        Ok(())
    }
}

fn float(tensor: &TensorView<'_>) -> Option<Float> {
    match tensor.dtype() {
        safetensors::Dtype::F32 => Some(Float::F32),
        safetensors::Dtype::F16 => Some(Float::F16),
        safetensors::Dtype::BF16 => Some(Float::BF16),
        _ => None,
    }
}

/// The name of a tensor in the base. Files leave out modules around the text model, or have them in
/// another order: the longest end of the name counts that one tensor has.
fn matching(found: &Found<'_>, name: &str) -> Option<String> {
    if found.contains_key(name) {
        return Some(name.into());
    }
    let starts = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
    for end in [name].into_iter().chain(starts) {
        // What is left must still say more than `weight`.
        if end.matches('.').count() < 1 {
            break;
        }
        let ends =
            |own: &str| own == end || own.strip_suffix(end).is_some_and(|o| o.ends_with('.'));
        let mut all = found.keys().filter(|own| ends(own) && !is_of_images(own));
        if let Some(own) = all.next() {
            return all.next().is_none().then(|| own.clone());
        }
    }
    None
}

fn is_of_images(name: &str) -> bool {
    name.contains("vision_tower.") || name.contains("multi_modal_projector.")
}
