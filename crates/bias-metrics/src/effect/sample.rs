use super::moments::NameMoments;
use crate::arm::Arm;
use crate::error::MetricError;

/// Count, mean and sample variance of one group's names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub count: f64,
    pub mean: f64,
    pub variance: f64,
}

/// Both groups' samples of finite numbers, with at least this many each.
pub(crate) fn both(a: &[f64], b: &[f64], least: usize) -> Result<[Sample; 2], MetricError> {
    checked(Arm::A, a, least)?;
    checked(Arm::B, b, least)?;
    Ok([of(a), of(b)])
}

pub(crate) fn checked(arm: Arm, values: &[f64], least: usize) -> Result<(), MetricError> {
    if values.len() < least {
        return Err(MetricError::TooFewNames { arm, names: values.len(), least });
    }
    if values.iter().any(|v| !v.is_finite()) {
        return Err(MetricError::NotFinite { what: "number of a name" });
    }
    Ok(())
}

fn of(values: &[f64]) -> Sample {
    // An arm is needed, and does not matter.
    let pairs: Vec<(f64, f64)> = values.iter().map(|v| (*v, 1.0)).collect();
    let sum = NameMoments::of(Arm::A, &pairs);
    Sample { count: sum.weight, mean: sum.mean, variance: sum.m2 / (sum.weight - 1.0).max(1.0) }
}
