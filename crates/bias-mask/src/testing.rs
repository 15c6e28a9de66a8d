//! Checks of the promises of [`MaskTarget`], which any implementor can run (feature `testing`).

use std::collections::BTreeMap;

use bias_types::{ModelDims, ParamPath, Projection};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::edit::apply::{Intervention, Means, passed_on};
use crate::edit::changes::{Change, Changes};
use crate::edit::directions::{Directions, Side};
use crate::edit::target::MaskTarget;
use crate::error::MaskError;
use crate::mask::bits::BitMatrix;
use crate::mask::set::Mask;

/// The first promise that a model breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetViolation {
    /// A claim of the trait that the model breaks.
    #[error("{claim}: {found}")]
    Claim {
        /// The promise.
        claim: &'static str,
        /// What the model does instead.
        found: String,
    },
    /// The error with which the model refused a valid request.
    #[error(transparent)]
    Mask(#[from] MaskError),
}

fn broken(claim: &'static str, found: impl std::fmt::Display) -> TargetViolation {
    TargetViolation::Claim { claim, found: found.to_string() }
}

const CHOSEN: &str = "an intervention must change what was chosen and nothing else";
const RESTORED: &str = "what is taken back must be as it was, bit for bit";
const UNTOUCHED: &str = "what is refused must change nothing";

/// Checks that a model of these sizes keeps what [`MaskTarget`] promises:
///
/// - every projection has a matrix, `[out, in]`, and a layer beyond the last has none;
/// - an [`Intervention`] changes the chosen weights of one matrix (and its bias, for the mean)
///   and nothing else, in the types they are stored in, and is taken back bit for bit;
/// - the fingerprint stays that of the weights as they were loaded;
/// - masks of other weights, of matrices that it lacks and of other shapes are refused with the
///   matching error and change nothing; so are such matrices and biases themselves;
/// - stacked [`Changes`] can be taken off in any order, bit for bit.
///
/// A model that gives no access to its biases must refuse the mean and nothing else.
///
/// The whole model is read for every matrix, so use a small one. Afterwards it is what it was
/// before.
///
/// # Errors
/// The first [`TargetViolation`]; the model may be left changed.
pub fn check_target<B: Backend>(
    model: &mut impl MaskTarget<B>,
    dims: &ModelDims,
) -> Result<(), TargetViolation> {
    let whole = State::of(model, dims)?;
    for path in whole.matrices.keys() {
        let mask = whole.every(3, [path])?;
        for what in
            [Intervention::Zero, Intervention::Scale(-2.0), Intervention::Mean(whole.means())]
        {
            match mask.apply(model, what.clone()) {
                Err(MaskError::BiasOutOfReach { .. })
                    if whole.matrices[path].bias.is_none()
                        && matches!(what, Intervention::Mean(_)) =>
                {
                    whole.still(model, UNTOUCHED)?;
                }
                undo => {
                    let undo = undo?;
                    whole.changed(model, &mask, &what)?;
                    undo.revert(model)?;
                    whole.still(model, RESTORED)?;
                }
            }
        }
    }
    misfits(model, &whole)?;
    stacked(model, &whole)
}

/// A matrix and its bias, as they are stored.
#[derive(Debug, PartialEq)]
struct Matrix {
    weight: TensorData,
    /// `None` if the model gives no access to it.
    bias: Option<Option<TensorData>>,
}

/// All of a model that a mask can reach, bit for bit.
#[derive(Debug, PartialEq)]
struct State {
    dims: ModelDims,
    fingerprint: Option<String>,
    matrices: BTreeMap<ParamPath, Matrix>,
}

impl State {
    fn of<B: Backend>(
        model: &impl MaskTarget<B>,
        dims: &ModelDims,
    ) -> Result<Self, TargetViolation> {
        let mut matrices = BTreeMap::new();
        for (path, _, projection) in dims.projections() {
            let (weight, expected) =
                (model.weight(&path).map_err(MaskError::from)?, dims.shape(projection));
            if weight.dims() != expected {
                let found = format!("{path} is {:?} and should be {expected:?}", weight.dims());
                return Err(broken("every projection must have a matrix, [out, in]", found));
            }
            let bias = match model.bias(&path) {
                Err(MaskError::BiasOutOfReach { .. }) => None,
                bias => Some(bias?.map(Tensor::into_data)),
            };
            matrices.insert(path, Matrix { weight: weight.into_data(), bias });
        }
        let fingerprint = model.fingerprint().map_err(MaskError::from)?.map(Into::into);
        Ok(Self { dims: *dims, fingerprint, matrices })
    }

    /// The model as it is now, which must have the same fingerprint.
    fn now<B: Backend>(&self, model: &impl MaskTarget<B>) -> Result<Self, TargetViolation> {
        let now = Self::of(model, &self.dims)?;
        if now.fingerprint == self.fingerprint {
            return Ok(now);
        }
        let found = format!("{:?} became {:?}", self.fingerprint, now.fingerprint);
        Err(broken("the fingerprint must stay that of the weights as they were loaded", found))
    }

    fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a ParamPath> {
        self.matrices
            .iter()
            .filter(|(path, own)| other.matrices[*path] != **own)
            .map(|(path, _)| path)
    }

    fn still<B: Backend>(
        &self,
        model: &impl MaskTarget<B>,
        claim: &'static str,
    ) -> Result<(), TargetViolation> {
        match self.differing(&self.now(model)?).next() {
            Some(path) => Err(broken(claim, format!("{path} is not what it was"))),
            None => Ok(()),
        }
    }

    /// Checks that the model is now what an intervention makes of this one.
    fn changed<B: Backend>(
        &self,
        model: &impl MaskTarget<B>,
        mask: &Mask,
        what: &Intervention,
    ) -> Result<(), TargetViolation> {
        let now = self.now(model)?;
        if let Some(other) = self.differing(&now).find(|path| mask.get(path).is_none()) {
            return Err(broken(CHOSEN, format!("{other} changed with another matrix")));
        }
        for (path, bits) in mask.iter() {
            let fits = self.matrices[path].becomes(&now.matrices[path], path, bits, what);
            fits.map_err(|found| broken(CHOSEN, format!("{path}: {found}")))?;
        }
        Ok(())
    }

    /// A mask of every `step`-th weight of these matrices.
    fn every<'a>(
        &self,
        step: usize,
        paths: impl IntoIterator<Item = &'a ParamPath>,
    ) -> Result<Mask, MaskError> {
        let mut mask = Mask::default();
        for path in paths {
            let [out, inner] = [0, 1].map(|axis| self.matrices[path].weight.shape[axis]);
            let mut bits = BitMatrix::new([out, inner])?;
            (0..bits.len()).step_by(step).try_for_each(|i| bits.insert(i))?;
            mask.insert(path.clone(), bits)?;
        }
        Ok(mask.for_model(self.fingerprint.as_deref()))
    }

    /// Means of the inputs of every matrix.
    fn means(&self) -> Means {
        let of = |own: &Matrix| (0..own.weight.shape[1]).map(|j| (j as f64).cos()).collect();
        self.matrices.iter().map(|(path, own)| (path.clone(), of(own))).collect()
    }
}

impl Matrix {
    /// Fails with the reason why `other` is not the outcome of an intervention on this one.
    fn becomes(
        &self,
        other: &Self,
        path: &ParamPath,
        bits: &BitMatrix,
        what: &Intervention,
    ) -> Result<(), String> {
        let (old, new) = (&self.weight, &other.weight);
        if old.dtype != new.dtype {
            return Err(format!("its type {:?} became {:?}", old.dtype, new.dtype));
        }
        let factor = if let Intervention::Scale(factor) = what { f64::from(*factor) } else { 0.0 };
        let width = old.dtype.size();
        let kept =
            |i: usize| old.as_bytes()[i * width..][..width] == new.as_bytes()[i * width..][..width];
        for (i, (old, new)) in old.iter::<f64>().zip(new.iter::<f64>()).enumerate() {
            // A device may treat smaller numbers as 0.
            let scaled = || (new - factor * old).abs() <= f64::from(f32::MIN_POSITIVE);
            if !(if bits.contains(i) { scaled() } else { kept(i) }) {
                return Err(format!("weight {i} was {old} and became {new}"));
            }
        }
        let Intervention::Mean(means) = what else {
            return if self.bias == other.bias { Ok(()) } else { Err("its bias changed".into()) };
        };
        let biases = |own: &Self| {
            own.bias.iter().flatten().flat_map(TensorData::iter::<f64>).collect::<Vec<_>>()
        };
        let (old, new) = (biases(self), biases(other));
        let means = means.of(path, bits.cols()).map_err(|e| e.to_string())?;
        let mut expected = passed_on(bits, &self.weight, means);
        expected.iter_mut().zip(old).for_each(|(sum, bias)| *sum += bias);
        let largest = expected.iter().fold(0.0f64, |max, bias| max.max(bias.abs()));
        // It may be stored in a narrow type.
        let close = |(found, expected): (&f64, &f64)| (found - expected).abs() <= 0.01 * largest;
        if new.len() == expected.len() && new.iter().zip(&expected).all(close) {
            return Ok(());
        }
        Err("its bias did not take up what the chosen weights pass on on average".into())
    }
}

fn refused<T>(
    claim: &'static str,
    outcome: Result<T, MaskError>,
    as_such: fn(&MaskError) -> bool,
) -> Result<(), TargetViolation> {
    match outcome {
        Err(error) if as_such(&error) => Ok(()),
        Err(error) => Err(broken(claim, format!("refused for another reason, {error}"))),
        Ok(_) => Err(broken(claim, "it was not")),
    }
}

/// Checks that masks, matrices and biases of another model are refused.
fn misfits<B: Backend>(
    model: &mut impl MaskTarget<B>,
    whole: &State,
) -> Result<(), TargetViolation> {
    let all = || whole.matrices.keys();
    let Some((last, own)) = whole.matrices.last_key_value() else { return Ok(()) };
    let (weight, out) = (model.weight(last).map_err(MaskError::from)?, own.weight.shape[0]);

    let claim = "a matrix that the model lacks must be refused as such";
    let lacks: fn(&MaskError) -> bool = |error| matches!(error, MaskError::NoSuchParam { .. });
    let lacks_bias: fn(&MaskError) -> bool =
        |error| matches!(error, MaskError::NoSuchParam { .. } | MaskError::BiasOutOfReach { .. });
    let mut absent = vec![ParamPath::of(whole.dims.layers, Projection::Q)];
    if !whole.dims.gated {
        absent.push(ParamPath::of(0, Projection::Gate));
    }
    for path in absent {
        refused(claim, model.weight(&path).map_err(MaskError::from), lacks)?;
        refused(claim, model.set_weight(&path, weight.clone()), lacks)?;
        refused(claim, model.bias(&path), lacks_bias)?;
        refused(claim, model.set_bias(&path, None), lacks_bias)?;
        let mut mask = whole.every(3, all())?;
        mask.insert(path, BitMatrix::new([2, 2])?.complement())?;
        refused(claim, mask.apply(model, Intervention::Zero), lacks)?;
        whole.still(model, UNTOUCHED)?;
    }

    let claim = "another shape must be refused as such";
    let misshapen: fn(&MaskError) -> bool =
        |error| matches!(error, MaskError::ShapeMismatch { .. });
    let longer = Tensor::cat(vec![weight.clone(), weight.clone()], 0);
    refused(claim, model.set_weight(last, longer), misshapen)?;
    let bias = Tensor::zeros([out + 1], &weight.device());
    refused(claim, model.set_bias(last, Some(bias)), |error| {
        matches!(error, MaskError::Channels { .. } | MaskError::BiasOutOfReach { .. })
    })?;
    let mut mask = whole.every(3, all().filter(|path| *path != last))?;
    mask.insert(last.clone(), BitMatrix::new([out + 1, own.weight.shape[1]])?.complement())?;
    refused(claim, mask.apply(model, Intervention::Zero), misshapen)?;
    whole.still(model, UNTOUCHED)?;

    if let Some(own) = &whole.fingerprint {
        let mask = whole.every(3, all())?.for_model(Some(&format!("not {own}")));
        let other: fn(&MaskError) -> bool = |error| matches!(error, MaskError::OtherModel { .. });
        refused(
            "a mask of other weights must be refused as such",
            mask.apply(model, Intervention::Zero),
            other,
        )?;
        whole.still(model, UNTOUCHED)?;
    }
    Ok(())
}

/// Checks overlapping changes that are taken off neither first to last nor last to first.
fn stacked<B: Backend>(
    model: &mut impl MaskTarget<B>,
    whole: &State,
) -> Result<(), TargetViolation> {
    let all = || whole.matrices.keys();
    let Some((first, own)) = whole.matrices.first_key_value() else { return Ok(()) };
    let out = own.weight.shape[0];
    let reach = whole.matrices.values().all(|own| own.bias.is_some());
    let last = if reach { Intervention::Mean(whole.means()) } else { Intervention::Zero };
    let axis = vec![(out as f32).sqrt().recip(); out];
    let directions = Directions::new(first.clone(), Side::Output, [out, 1], axis)?;

    let mut changes = Changes::default();
    let zero = changes.push(model, Change::Weights(whole.every(5, all())?, Intervention::Zero))?;
    let zeroed = whole.now(model)?;
    let scale =
        changes.push(model, Change::Weights(whole.every(2, all())?, Intervention::Scale(-2.0)))?;
    let directions = directions.for_model(whole.fingerprint.as_deref());
    let directions = changes.push(model, Change::Directions(directions))?;
    let mean = changes.push(model, Change::Weights(whole.every(3, all())?, last))?;
    for id in [directions, mean, scale] {
        changes.remove(model, id)?;
    }
    zeroed.still(
        model,
        "with one of the changes left the model must be what it alone makes, bit for bit",
    )?;
    changes.remove(model, zero)?;
    whole.still(model, RESTORED)
}
