use std::collections::BTreeMap;

use safetensors::tensor::TensorView;

use super::files::Adapter;
use super::names::{OUTER, Role, role};
use crate::checkpoint::file_bytes::FileBytes;
use crate::checkpoint::low_rank::LowRank;
use crate::checkpoint::packed::float::Float;
use crate::checkpoint::quantized::groups::Found;
use crate::checkpoint::view::View;
use crate::error::ModelError;

type Parts<'a> = BTreeMap<Role, TensorView<'a>>;

impl Adapter {
    /// Puts the changed tensors in the place of the base's. `file` is the number of the adapter's
    /// file.
    ///
    /// A change of the embedding of a tied model does not change its head, nor the other way round,
    /// as in peft: the two are told apart from then on. The config may say `ensure_weight_tying`.
    ///
    /// # Errors
    /// [`ModelError::Adapter`] for tensors that fit nothing in the base.
    pub(crate) fn apply<'a>(
        &'a self,
        found: &mut Found<'a>,
        file: usize,
    ) -> Result<(), ModelError> {
        let names = self.config.names(|name| found.contains_key(name));
        let (a, b) = self.config.table_names(names);
        let twin = match (found.contains_key(&a), found.contains_key(&b)) {
            (true, false) => Some((a, b)),
            (false, true) => Some((b, a)),
            _ => None,
        };
        let twin = twin.filter(|_| self.config.tied && !self.settings.ties);
        if let Some((stored, other)) = &twin
            && let Some(table) = found.get(stored).cloned()
        {
            found.insert(other.clone(), table);
        }
        self.overlay(found, file)?;
        let changed = |name: &String| {
            let own = found.get(name);
            own.is_some_and(|(shard, view)| *shard == file || view.beside.change.is_some())
        };
        if let Some((stored, other)) = &twin
            && !changed(stored)
            && !changed(other)
        {
            found.remove(other);
        }
        Ok(())
    }

    fn overlay<'a>(&'a self, found: &mut Found<'a>, file: usize) -> Result<(), ModelError> {
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
            // Text is computed without images.
            if is_of_images(module) {
                return Ok(());
            }
            return Err(odd(&format!("is no matrix of the base, {}", self.base.display())));
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
                    Some(float) => Some((FileBytes { file, data: own.data() }, float)),
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
        let [a, b] = [a, b].map(|own| FileBytes { file, data: own.data() });
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
/// another order: the longest end of the name counts that one tensor has. Numbers of layers are
/// never left out.
fn matching(found: &Found<'_>, name: &str) -> Option<String> {
    if found.contains_key(name) {
        return Some(name.into());
    }
    let mut end = name;
    loop {
        let ends =
            |own: &str| own == end || own.strip_suffix(end).is_some_and(|own| own.ends_with('.'));
        let mut all = found.keys().filter(|own| ends(own) && !is_of_images(own));
        if let Some(own) = all.next() {
            return all.next().is_none().then(|| own.clone());
        }
        let (first, rest) = end.split_once('.')?;
        // What is left must say more than `weight`.
        if first.bytes().all(|b| b.is_ascii_digit()) || !rest.contains('.') || is_of_images(name) {
            return None;
        }
        end = rest;
    }
}

fn is_of_images(name: &str) -> bool {
    name.contains("vision_tower.") || name.contains("multi_modal_projector.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::view::Kind;

    #[test]
    fn names_are_matched_by_their_ends() {
        let names = [
            "h.0.attn.c_attn.weight",
            "language_model.model.layers.0.q_proj.weight",
            "language_model.model.layers.1.k_proj.weight",
            "vision_tower.encoder.layers.0.q_proj.weight",
            "lm_head.weight",
            "outer.lm_head.weight",
            "model.norm.weight",
        ];
        let view = View::new(&[], vec![0], Kind::F32);
        let found: Found<'_> = names.map(|name| (name.to_owned(), (0, view.clone()))).into();
        for (name, own) in [
            ("transformer.h.0.attn.c_attn.weight", Some(0)),
            ("model.language_model.layers.0.q_proj.weight", Some(1)),
            ("vision_tower.encoder.layers.0.q_proj.weight", Some(3)),
            ("model.vision_tower.encoder.layers.0.q_proj.weight", None),
            // Of another layer.
            ("model.layers.0.k_proj.weight", None),
            ("lm_head.weight", Some(4)),
            ("score.weight", None),
            ("model.norm.weight", Some(6)),
        ] {
            assert_eq!(matching(&found, name).as_deref(), own.map(|i: usize| names[i]), "{name}");
        }
    }
}
