use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::tensor::Dtype;
use serde::Deserialize;

use super::method::{Method, Strategy};
use crate::checkpoint::file_bytes::FileBytes;
use crate::checkpoint::packed::bnb::Code;
use crate::checkpoint::packed::float::Float;
use crate::checkpoint::packed::gptq;
use crate::checkpoint::packed::mxfp4::GROUP;
use crate::checkpoint::packed::scaled::Byte;
use crate::checkpoint::packed::scheme::Scheme;
use crate::checkpoint::view::{Kind, Other, View};
use crate::error::ModelError;

/// Every tensor by its name, with the number of its file.
pub(crate) type Found<'a> = BTreeMap<String, (usize, View<'a>)>;

/// Replaces the tensors of each group by the matrix that they make, under the name that the matrix
/// has in an unquantized checkpoint. Other tensors stay.
///
/// # Errors
/// [`ModelError::QuantizedTensor`] for a group that lacks a tensor, or has one of another shape or
/// type.
pub(crate) fn gather(
    method: Method,
    found: &mut Found<'_>,
    path: &dyn Fn(usize) -> PathBuf,
) -> Result<(), ModelError> {
    let mut groups = Groups { found, path };
    match method {
        Method::Fp8 { block } => {
            let strategy = block.map_or(Strategy::Tensor, Strategy::Block);
            groups.scaled(Byte::E4M3, "weight_scale_inv", strategy)
        }
        Method::Compressed { integers, strategy } => {
            let byte = if integers { Byte::I8 } else { Byte::E4M3 };
            groups.scaled(byte, "weight_scale", strategy)
        }
        Method::Packed { bits, group, zeros } => groups.words_of(bits, group, zeros),
        Method::Mxfp4 => groups.mxfp4(),
        Method::Gptq { bits, group, one_less } => groups.gptq(bits, group, one_less),
        Method::Awq { group } => groups.awq(group),
        Method::Bitsandbytes { four: true } => groups.bnb4(),
        Method::Bitsandbytes { four: false } => groups.bnb8(),
    }
}

struct Groups<'m, 'a> {
    found: &'m mut Found<'a>,
    path: &'m dyn Fn(usize) -> PathBuf,
}

/// What bitsandbytes writes of a matrix, as JSON in a tensor of bytes.
#[derive(Deserialize)]
struct QuantState {
    quant_type: String,
    blocksize: usize,
    dtype: String,
    shape: Vec<usize>,
    #[serde(default)]
    nested_blocksize: Option<usize>,
    #[serde(default)]
    nested_offset: Option<f32>,
}

/// The most bytes of such a text.
const LONGEST_STATE: usize = 4096;

fn is(kind: Kind, dtype: Dtype) -> bool {
    match dtype {
        Dtype::F32 => kind == Kind::F32,
        _ => kind == Kind::Other(Other::Safetensors(dtype)),
    }
}

impl<'a> Groups<'_, 'a> {
    fn error(
        &self,
        file: usize,
        tensor: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> ModelError {
        let (path, tensor) = ((self.path)(file), tensor.into());
        ModelError::QuantizedTensor { path, tensor, expected: expected.into(), found: found.into() }
    }

    /// The beginnings of the names that end so, with the file and the tensor.
    fn ending(&self, end: &str) -> Vec<(String, usize, View<'a>)> {
        let named = self.found.iter().filter_map(|(name, (file, view))| {
            Some((name.strip_suffix(end)?.to_owned(), *file, view.clone()))
        });
        named.collect()
    }

    /// Takes a tensor out that belongs to another, of one of these shapes.
    fn part(
        &mut self,
        main: (usize, &str),
        name: String,
        shapes: &[Vec<usize>],
        fits: impl Fn(Kind) -> bool,
        kind: &str,
    ) -> Result<(FileBytes<'a>, Kind), ModelError> {
        let all: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
        let expected = format!("{kind} {}, for {}", all.join(" or "), main.1);
        let Some((file, view)) = self.found.get(&name) else {
            return Err(self.error(main.0, &name, expected, "no such tensor"));
        };
        if !shapes.contains(&view.shape) || !fits(view.kind) {
            let found = format!("{} {:?}", view.kind, view.shape);
            return Err(self.error(*file, &name, expected, found));
        }
        let own = (FileBytes { file: *file, data: view.data }, view.kind);
        self.found.remove(&name);
        Ok(own)
    }

    fn scales(
        &mut self,
        main: (usize, &str),
        name: String,
        shapes: &[Vec<usize>],
    ) -> Result<(FileBytes<'a>, Float), ModelError> {
        let fits = |kind: Kind| kind.float().is_some();
        let (piece, kind) = self.part(main, name, shapes, fits, "F32, BF16 or F16")?;
        Ok((piece, kind.float().unwrap_or(Float::F32)))
    }

    fn put(
        &mut self,
        name: String,
        (file, data): (usize, &'a [u8]),
        shape: Vec<usize>,
        scheme: Scheme,
        parts: Vec<FileBytes<'a>>,
    ) {
        let mut view = View::new(data, shape, Kind::Packed(scheme));
        view.beside.parts = parts;
        self.found.insert(name, (file, view));
    }

    /// Bytes, and the scale of each block of them.
    fn scaled(&mut self, byte: Byte, scale: &str, strategy: Strategy) -> Result<(), ModelError> {
        let dtype = match byte {
            Byte::E4M3 => Dtype::F8_E4M3,
            Byte::I8 => Dtype::I8,
        };
        for (stem, file, view) in self.ending(".weight") {
            let [out, inner] = *view.shape else { continue };
            if !is(view.kind, dtype) {
                continue;
            }
            let (block, shapes) = match strategy {
                Strategy::Tensor => ([out, inner], vec![vec![], vec![1], vec![1, 1]]),
                Strategy::Channel => ([1, inner], vec![vec![out, 1], vec![out]]),
                Strategy::Block(block @ [tall, wide]) => {
                    (block, vec![vec![out.div_ceil(tall), inner.div_ceil(wide)]])
                }
            };
            let main = format!("{stem}.weight");
            let (piece, float) = self.scales((file, &main), format!("{stem}.{scale}"), &shapes)?;
            let block = block.map(|size| size.max(1));
            let scheme = Scheme::Scaled { byte, scale: float, block, factor: 1.0 };
            self.put(main, (file, view.data), vec![out, inner], scheme, vec![piece]);
            // The scales of activations, which are not quantized here.
            for own in ["input_scale", "activation_scale"] {
                self.found.remove(&format!("{stem}.{own}"));
            }
        }
        Ok(())
    }

    fn mxfp4(&mut self) -> Result<(), ModelError> {
        for (stem, file, view) in self.ending("_blocks") {
            let name = format!("{stem}_blocks");
            let (u8, groups) = (is(view.kind, Dtype::U8), view.shape.split_last());
            let Some((&bytes, before)) =
                groups.filter(|(n, before)| u8 && **n == GROUP / 2 && before.len() > 1)
            else {
                let found = format!("{} {:?}", view.kind, view.shape);
                return Err(self.error(file, &name, "U8 [.., rows, groups, 16]", found));
            };
            let mut shape = before.to_vec();
            let u8 = |kind| is(kind, Dtype::U8);
            let (piece, _) =
                self.part((file, &name), format!("{stem}_scales"), &[shape.clone()], u8, "U8")?;
            shape.iter_mut().last().into_iter().for_each(|own| *own *= 2 * bytes);
            self.found.remove(&name);
            self.put(stem, (file, view.data), shape, Scheme::Mxfp4, vec![piece]);
        }
        Ok(())
    }

    /// The words of a matrix, and their shape.
    fn words(&self, stem: &str, file: usize, view: &View<'a>) -> Result<[usize; 2], ModelError> {
        match *view.shape {
            [rows, columns] if is(view.kind, Dtype::I32) => Ok([rows, columns]),
            _ => {
                let (name, found) =
                    (format!("{stem}.qweight"), format!("{} {:?}", view.kind, view.shape));
                Err(self.error(file, &name, "I32 [rows, columns]", found))
            }
        }
    }

    fn gptq(&mut self, bits: u32, group: Option<usize>, one_less: bool) -> Result<(), ModelError> {
        let in_word = 32 / bits as usize;
        let i32 = |kind| is(kind, Dtype::I32);
        for (stem, file, view) in self.ending(".qweight") {
            let [rows, out] = self.words(&stem, file, &view)?;
            let (main, inner) = (format!("{stem}.qweight"), rows * in_word);
            let own = (file, main.as_str());
            let groups = group.map_or(1, |group| inner.div_ceil(group));
            let (scales, scale) =
                self.scales(own, format!("{stem}.scales"), &[vec![groups, out]])?;
            if out % in_word != 0 {
                let expected = format!("a multiple of {in_word} outputs");
                return Err(self.error(file, &main, expected, format!("{out}")));
            }
            let shape = vec![groups, out / in_word];
            let (zeros, _) = self.part(own, format!("{stem}.qzeros"), &[shape], i32, "I32")?;
            let mut parts = vec![scales, zeros];
            let name = format!("{stem}.g_idx");
            if self.found.get(&name).is_some_and(|(_, view)| view.shape == [0]) {
                self.found.remove(&name);
            }
            if self.found.contains_key(&name) {
                let (index, _) = self.part(own, name.clone(), &[vec![inner]], i32, "I32")?;
                if let Some(odd) = gptq::groups(index.data).find(|group| *group >= groups) {
                    let expected = format!("groups below {groups}");
                    return Err(self.error(index.file, &name, expected, format!("{odd}")));
                }
                parts.push(index);
            }
            self.found.remove(&main);
            let scheme = Scheme::Gptq { bits, scale, one_less, group };
            self.put(format!("{stem}.weight"), (file, view.data), vec![out, inner], scheme, parts);
        }
        Ok(())
    }

    /// compressed-tensors' words, which come with the shape of their matrix.
    fn words_of(&mut self, bits: u32, group: Option<usize>, zeros: bool) -> Result<(), ModelError> {
        let in_word = 32 / bits as usize;
        let i32 = |kind| is(kind, Dtype::I32);
        for (stem, file, view) in self.ending(".weight_packed") {
            let main = format!("{stem}.weight_packed");
            let [out, across] = match *view.shape {
                [out, across] if i32(view.kind) => [out, across],
                _ => {
                    let found = format!("{} {:?}", view.kind, view.shape);
                    return Err(self.error(file, &main, "I32 [rows, columns]", found));
                }
            };
            let (own, name) = ((file, main.as_str()), format!("{stem}.weight_shape"));
            let whole = |kind| is(kind, Dtype::I64) || i32(kind);
            let (shape, kind) = self.part(own, name.clone(), &[vec![2]], whole, "I64")?;
            let width = if i32(kind) { 4 } else { 8 };
            let sizes = shape.data.chunks_exact(width).map(|size| {
                let mut bytes = [0; 8];
                bytes[..width].copy_from_slice(size);
                usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
            });
            let sizes: Vec<usize> = sizes.collect();
            let fits = |inner: &&usize| inner.div_ceil(in_word) == across;
            let Some(&inner) = sizes.get(1).filter(fits).filter(|_| sizes[0] == out) else {
                let expected = format!("the shape of a matrix in {:?}, {main}", view.shape);
                return Err(self.error(shape.file, &name, expected, format!("{sizes:?}")));
            };
            let group = group.unwrap_or(inner).max(1);
            let groups = inner.div_ceil(group);
            let shapes = [vec![out, groups]];
            let (scales, scale) = self.scales(own, format!("{stem}.weight_scale"), &shapes)?;
            let mut parts = vec![scales];
            if zeros {
                let shapes = [vec![out.div_ceil(in_word), groups]];
                let name = format!("{stem}.weight_zero_point");
                parts.push(self.part(own, name, &shapes, i32, "I32")?.0);
            }
            self.found.remove(&main);
            let scheme = Scheme::Words { bits, scale, group, zeros };
            self.put(format!("{stem}.weight"), (file, view.data), vec![out, inner], scheme, parts);
        }
        Ok(())
    }

    fn awq(&mut self, group: Option<usize>) -> Result<(), ModelError> {
        for (stem, file, view) in self.ending(".qweight") {
            let [inner, words] = self.words(&stem, file, &view)?;
            let (main, out) = (format!("{stem}.qweight"), words.saturating_mul(8));
            let (own, group) = ((file, main.as_str()), group.unwrap_or(inner).max(1));
            let groups = inner.div_ceil(group);
            let (scales, scale) =
                self.scales(own, format!("{stem}.scales"), &[vec![groups, out]])?;
            let i32 = |kind| is(kind, Dtype::I32);
            let shape = vec![groups, words];
            let (zeros, _) = self.part(own, format!("{stem}.qzeros"), &[shape], i32, "I32")?;
            self.found.remove(&main);
            let (scheme, parts) = (Scheme::Awq { scale, group }, vec![scales, zeros]);
            self.put(format!("{stem}.weight"), (file, view.data), vec![out, inner], scheme, parts);
        }
        Ok(())
    }

    /// bitsandbytes with 8 bits: integers, and the largest absolute value of each row.
    fn bnb8(&mut self) -> Result<(), ModelError> {
        for (stem, file, view) in self.ending(".weight") {
            let [out, inner] = *view.shape else { continue };
            if !is(view.kind, Dtype::I8) {
                continue;
            }
            let main = format!("{stem}.weight");
            let f32 = |kind| is(kind, Dtype::F32);
            let (scales, _) =
                self.part((file, &main), format!("{stem}.SCB"), &[vec![out]], f32, "F32")?;
            let name = format!("{stem}.weight_format");
            if let Some((file, own)) = self.found.remove(&name)
                && own.data.first() != Some(&0)
            {
                let found = format!("{:?}", own.data.first());
                return Err(self.error(file, &name, "0, rows in order", found));
            }
            let (scale, block) = (Float::F32, [1, inner.max(1)]);
            let scheme = Scheme::Scaled { byte: Byte::I8, scale, block, factor: 1.0 / 127.0 };
            self.put(main, (file, view.data), vec![out, inner], scheme, vec![scales]);
        }
        Ok(())
    }

    /// bitsandbytes with 4 bits.
    fn bnb4(&mut self) -> Result<(), ModelError> {
        const STATE: &str = ".quant_state.bitsandbytes__";
        let states = self.found.iter().filter_map(|(name, (file, view))| {
            let (main, _) = name.split_once(STATE)?;
            Some((main.to_owned(), name.clone(), *file, view.data))
        });
        for (main, name, file, text) in states.collect::<Vec<_>>() {
            let odd = |own: &Self, expected: &str, found: String| {
                Err(own.error(file, &name, expected, found))
            };
            if text.len() > LONGEST_STATE {
                return odd(self, "a short text", format!("{} bytes", text.len()));
            }
            let state: QuantState = match serde_json::from_slice(text) {
                Ok(state) => state,
                Err(error) => return odd(self, "the settings of its matrix", error.to_string()),
            };
            let code = match state.quant_type.as_str() {
                "nf4" => Code::Nf4,
                "fp4" => Code::Fp4,
                other => return odd(self, "`quant_type` nf4 or fp4", other.into()),
            };
            let rounded = match state.dtype.as_str() {
                "float32" => Float::F32,
                "bfloat16" => Float::BF16,
                "float16" => Float::F16,
                other => return odd(self, "`dtype` float32, bfloat16 or float16", other.into()),
            };
            let values = match *state.shape {
                [out, inner] => out.checked_mul(inner),
                _ => None,
            };
            let Some((values, block)) = values.zip(Some(state.blocksize).filter(|own| *own > 0))
            else {
                let found = format!("{:?} and {}", state.shape, state.blocksize);
                return odd(self, "a `shape` [out, in] and a `blocksize`", found);
            };
            let Some((file, view)) = self.found.get(&main).map(|(file, own)| (*file, own.clone()))
            else {
                return odd(self, &format!("codes in {main}"), "no such tensor".into());
            };
            if view.data.len() != values.div_ceil(2) {
                let expected = format!("{} bytes, for {:?}", values.div_ceil(2), state.shape);
                let found = format!("{} bytes", view.data.len());
                return Err(self.error(file, &main, expected, found));
            }
            let (own, blocks) = ((file, main.as_str()), values.div_ceil(block));
            let nested = state.nested_blocksize.filter(|own| *own > 0).zip(state.nested_offset);
            let (dtype, kind) =
                if nested.is_some() { (Dtype::U8, "U8") } else { (Dtype::F32, "F32") };
            let mut parts = Vec::new();
            let mut all =
                vec![("absmax", blocks, dtype, kind), ("quant_map", 16, Dtype::F32, "F32")];
            if let Some((together, _)) = nested {
                all.push(("nested_absmax", blocks.div_ceil(together), Dtype::F32, "F32"));
                all.push(("nested_quant_map", 256, Dtype::F32, "F32"));
            }
            for (part, len, dtype, kind) in all {
                let shapes = [vec![len]];
                let fits = |kind| is(kind, dtype);
                parts.push(self.part(own, format!("{main}.{part}"), &shapes, fits, kind)?.0);
            }
            self.found.remove(&name);
            let scheme = Scheme::Bnb4 { code, block, nested, rounded };
            self.put(main, (file, view.data), state.shape, scheme, parts);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use safetensors::SafeTensors;
    use safetensors::tensor::TensorView;

    use crate::arch::piece::{Part, Piece, StoredRows};
    use crate::checkpoint::precision::Precision;
    use crate::checkpoint::weights::Checkpoint;
    use crate::error::ModelError;

    /// The folders of `fixtures/forms/matrices`. A published crate has no fixtures.
    fn folders() -> Vec<PathBuf> {
        let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/forms/matrices");
        let Ok(entries) = std::fs::read_dir(all) else { return Vec::new() };
        entries.map(|own| own.unwrap().path()).collect()
    }

    /// Equal to the values of the libraries that write these forms, to the last bit.
    #[test]
    fn every_form_equals_its_own_library() {
        for folder in folders() {
            let checkpoint = Checkpoint::open(&folder).unwrap();
            let tensors = checkpoint.tensors().unwrap();
            let expected = std::fs::read(folder.join("expected.safetensors")).unwrap();
            for (name, view) in SafeTensors::deserialize(&expected).unwrap().tensors() {
                let own = format!("{}: {name}", folder.display());
                let expected = bias_files::f32s(view.data());
                let whole = tensors.whole(&name, view.shape(), Precision::F32).unwrap();
                assert_eq!(whole.expect(&own).to_vec::<f32>().unwrap(), expected, "{own}");
                let Some((inner, rows)) = view.shape().split_last() else { continue };
                let (inner, rows) = (*inner, rows.iter().product::<usize>());
                if view.shape().len() < 2 {
                    continue;
                }
                // Every third row from the second on, transposed, right away and from where it
                // lies.
                let out = (rows - 1).div_ceil(3);
                let place = StoredRows { module: "", rows, first: 1, run: 1, stride: 3 };
                let part = Part { place, shape: [out, inner], transposed: false };
                let piece = Piece { part, ..Piece::whole("", [rows, inner]) };
                let turned = tensors.matrix(&name, &piece, Precision::F32).unwrap().expect(&own);
                let turned = turned.to_vec::<f32>().unwrap();
                let at = tensors.locate(&name, [rows, inner]).expect(&own);
                let view = checkpoint.view(&at).unwrap();
                let some = crate::checkpoint::convert::lookup(&view, &[rows - 1, 0]).unwrap();
                let some = some.to_vec::<f32>().unwrap();
                for c in 0..inner {
                    for r in 0..out {
                        assert_eq!(turned[c * out + r], expected[(1 + 3 * r) * inner + c], "{own}");
                    }
                    let found = [some[c], some[inner + c]];
                    assert_eq!(found, [expected[(rows - 1) * inner + c], expected[c]], "{own}");
                }
            }
            tensors.finish().unwrap();
        }
    }

    /// A shape that the words contradict is believed as little as a size in a state
    /// (`tests/all/forms_hostile.rs`).
    #[test]
    fn shapes_of_words_are_checked() {
        let Some(folder) = folders().into_iter().find(|own| own.ends_with("compressed_pack4"))
        else {
            return;
        };
        let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
        let own = SafeTensors::deserialize(&bytes).unwrap();
        for shape in [[37, 1 << 60], [38, 96], [-1, -1], [37, 97]] {
            let place = tempfile::tempdir().unwrap();
            let to = |name: &str| place.path().join(name);
            std::fs::copy(folder.join("config.json"), to("config.json")).unwrap();
            let shape: Vec<u8> = shape.iter().flat_map(|size: &i64| size.to_le_bytes()).collect();
            let tensors = own.tensors().into_iter().map(|(name, view)| {
                let odd = name == "a.weight_shape";
                let data = if odd { &shape } else { view.data() };
                let view = TensorView::new(view.dtype(), view.shape().to_vec(), data).unwrap();
                (name, view)
            });
            let file = safetensors::serialize(tensors.collect::<Vec<_>>(), None).unwrap();
            std::fs::write(to("model.safetensors"), file).unwrap();
            let error = Checkpoint::open(place.path()).unwrap().tensors().err().unwrap();
            let ModelError::QuantizedTensor { tensor, .. } = &error else { panic!("{error}") };
            assert_eq!(tensor, "a.weight_shape");
        }
    }
}
