//! A bag of matrices keeps what the trait promises in every stored type, and one that does
//! not is caught.

use crate::common::{Bag, DIMS};
use bias_mask::testing::{TargetViolation, check_target};
use bias_mask::{MaskError, MaskTarget};
use bias_probe::{ProbeError, Weights};
use bias_types::{ParamPath, Projection};
use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::{DType, Tensor};

#[test]
fn a_bag_of_matrices_conforms() {
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        check_target(&mut Bag::<Flex>::new(dtype), &DIMS)
            .unwrap_or_else(|e| panic!("{dtype:?}: {e}"));
    }
    for dtype in [DType::F32, DType::F64] {
        check_target(&mut Bag::<NdArray>::new(dtype), &DIMS)
            .unwrap_or_else(|e| panic!("{dtype:?}: {e}"));
    }
    check_target(&mut Bag::<Autodiff<Flex>>::new(DType::F32), &DIMS).unwrap();
}

/// A bag with one promise broken.
struct Broken {
    bag: Bag<Flex>,
    fault: Fault,
    sets: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// None, but biases are out of reach.
    Biasless,
    /// Gives `[in, out]`.
    Transposed,
    /// Keeps weights as they are.
    Frozen,
    /// Sets values together with keys.
    Shared,
    /// Stores everything in f32.
    Widening,
    /// Rounds what it stores.
    Rounding,
    /// Keeps a bias that was taken away.
    Clinging,
    /// Ignores biases.
    Deaf,
    /// Has whatever it is asked for.
    Boundless,
    /// Takes any shape.
    Shapeless,
    /// Takes any bias.
    ShapelessBias,
    /// Goes by another name once it was changed.
    Renamed,
}

impl Weights<Flex> for Broken {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<Flex, 2>, ProbeError> {
        match self.fault {
            Fault::Transposed => Ok(self.bag.weight(path)?.transpose()),
            Fault::Boundless if !self.bag.weights.contains_key(path) => {
                self.bag.weight(&ParamPath::of(0, Projection::Q))
            }
            _ => self.bag.weight(path),
        }
    }

    fn fingerprint(&self) -> Result<Option<&str>, ProbeError> {
        Ok(Some(if self.fault == Fault::Renamed && self.sets > 0 { "abd" } else { "abc" }))
    }
}

impl MaskTarget<Flex> for Broken {
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<Flex, 2>) -> Result<(), MaskError> {
        self.sets += 1;
        let dtype = value.dtype();
        match self.fault {
            Fault::Frozen => return Ok(()),
            Fault::Shared if path.as_str().contains("k_proj") => {
                let other = path.as_str().replace("k_proj", "v_proj").parse()?;
                self.bag.set_weight(&other, value.clone())?;
            }
            Fault::Shapeless if self.bag.weights.contains_key(path) => {
                self.bag.weights.insert(path.clone(), value);
                return Ok(());
            }
            Fault::Widening => return self.bag.set_weight(path, value.cast(DType::F32)),
            Fault::Rounding => {
                return self.bag.set_weight(path, value.cast(DType::BF16).cast(dtype));
            }
            _ => {}
        }
        self.bag.set_weight(path, value)
    }

    fn bias(&self, path: &ParamPath) -> Result<Option<Tensor<Flex, 1>>, MaskError> {
        match self.fault {
            Fault::Biasless => Err(MaskError::BiasOutOfReach { path: path.clone() }),
            _ => self.bag.bias(path),
        }
    }

    fn set_bias(
        &mut self,
        path: &ParamPath,
        value: Option<Tensor<Flex, 1>>,
    ) -> Result<(), MaskError> {
        match (self.fault, value) {
            (Fault::Biasless, _) => Err(MaskError::BiasOutOfReach { path: path.clone() }),
            (Fault::Deaf, _) => Ok(()),
            (Fault::Clinging, None) if self.bag.weights.contains_key(path) => Ok(()),
            (Fault::ShapelessBias, Some(value)) => {
                self.bag.biases.insert(path.clone(), value);
                Ok(())
            }
            (_, value) => self.bag.set_bias(path, value),
        }
    }
}

#[test]
fn broken_promises_are_caught() {
    let check = |fault| {
        let dtype = if fault == Fault::Widening { DType::BF16 } else { DType::F32 };
        check_target(&mut Broken { bag: Bag::new(dtype), fault, sets: 0 }, &DIMS)
    };
    check(Fault::Biasless).unwrap();
    let chosen = "an intervention must change what was chosen and nothing else";
    let restored = "what is taken back must be as it was, bit for bit";
    let lacking = "a matrix that the model lacks must be refused as such";
    let shape = "another shape must be refused as such";
    for (fault, expected) in [
        (Fault::Transposed, "every projection must have a matrix, [out, in]"),
        (Fault::Frozen, chosen),
        (Fault::Shared, chosen),
        (Fault::Widening, chosen),
        (Fault::Rounding, chosen),
        (Fault::Clinging, restored),
        (Fault::Deaf, chosen),
        (Fault::Boundless, lacking),
        (Fault::Shapeless, shape),
        (Fault::ShapelessBias, shape),
        (Fault::Renamed, "the fingerprint must stay that of the weights as they were loaded"),
    ] {
        let found = check(fault);
        assert!(
            matches!(found, Err(TargetViolation::Claim { claim, .. }) if claim == expected),
            "{fault:?}: {found:?}"
        );
    }
}
