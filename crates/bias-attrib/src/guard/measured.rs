use std::collections::{BTreeMap, HashMap};

use bias_mask::select::{ComparisonGroup, select};
use bias_mask::{BitMatrix, Mask};
use bias_probe::{DifferentiableModel, Sequence};
use bias_types::{Convention, ModelDims, ParamPath, ParamScores, Site};

use burn::tensor::backend::AutodiffBackend;

use super::neutral_cost::{MatrixCost, NeutralCost, TakeCost};
use super::rule::Guard;
use crate::error::AttribError;

/// A [`Guard`] with its costs in one model: the weights that it leaves out, and what it subtracts
/// from the scores of the others.
///
/// It keeps a mask, and one f32 per weight if the guard discounts, and one if it divides. While it
/// is made, a rule about weights needs one more f32 per weight.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredGuard {
    spared: Mask,
    /// What is subtracted from each weight's score.
    discounts: BTreeMap<ParamPath, Vec<f32>>,
    /// What each weight's score is divided by.
    divisors: BTreeMap<ParamPath, Vec<f32>>,
}

impl MeasuredGuard {
    /// Applies the rules to the costs that `each` hands out.
    pub(crate) fn new(
        guard: Guard,
        dims: &ModelDims,
        each: impl FnOnce(&mut TakeCost<'_>) -> Result<(), AttribError>,
    ) -> Result<Self, AttribError> {
        let (mut discounts, mut divisors) = (BTreeMap::new(), BTreeMap::new());
        let mut prices: HashMap<ParamPath, ParamScores> = HashMap::new();
        let mut norms: BTreeMap<Site, Vec<f32>> = BTreeMap::new();
        each(&mut |own: MatrixCost| {
            let (path, shape) = (own.path().clone(), own.shape());
            if let Some((cost, times)) = guard.discount {
                let scaled = own.of(cost).iter().map(|c| (f64::from(*c) * times) as f32);
                discounts.insert(path.clone(), scaled.collect());
            }
            if let Some((cost, _)) = guard.ratio {
                divisors.insert(path.clone(), own.of(cost).to_vec());
            }
            if let Some((layer, projection)) =
                path.projection().filter(|_| guard.channels.is_some())
            {
                norms.insert(projection.input_site(layer), own.input_norms().to_vec());
            }
            if let Some((cost, _)) = guard.weights {
                let price = ParamScores::new(
                    path.clone(),
                    shape,
                    Convention::Importance,
                    own.into_costs(cost),
                )?;
                prices.insert(path, price);
            }
            Ok(())
        })?;
        let mut spared = Mask::default();
        if let Some((_, share)) = guard.weights {
            let prices: Vec<ParamScores> =
                dims.projections().filter_map(|(path, ..)| prices.remove(&path)).collect();
            spared = select(&prices, ComparisonGroup::Global(share))?;
        }
        if let Some(share) = guard.channels {
            spared = spared.union(&readers(dims, &largest(&norms, share))?)?;
        }
        if let Some((_, floor)) = guard.ratio {
            raise(&mut divisors, floor);
        }
        Ok(Self { spared, discounts, divisors })
    }

    /// The weights that are left out.
    #[must_use]
    pub fn spared(&self) -> &Mask {
        &self.spared
    }

    /// Guarded scores: each weight's discount is subtracted, the rest divided by its cost, and weights
    /// that are left out have no score above 0.
    ///
    /// # Errors
    /// [`AttribError::Convention`] unless the scores say how much bias a weight carries;
    /// [`AttribError::Shape`] for a matrix of another model.
    pub fn apply(&self, scores: Vec<ParamScores>) -> Result<Vec<ParamScores>, AttribError> {
        scores.into_iter().map(|own| self.apply_to(&own)).collect()
    }

    /// The same for one matrix.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_to(&self, scores: &ParamScores) -> Result<ParamScores, AttribError> {
        let (path, shape) = (scores.path(), scores.shape());
        if scores.convention() != Convention::BiasCarried {
            return Err(AttribError::Convention {
                path: path.clone(),
                expected: Convention::BiasCarried,
                found: scores.convention(),
            });
        }
        let mut values = scores.values().to_vec();
        let fits = |own: &Vec<f32>| match own.len() == values.len() {
            true => Ok(()),
            false => Err(AttribError::Shape {
                what: path.to_string(),
                expected: vec![own.len()],
                found: shape.to_vec(),
            }),
        };
        let (discounts, divisors) = (self.discounts.get(path), self.divisors.get(path));
        discounts.into_iter().chain(divisors).try_for_each(fits)?;
        if let Some(discounts) = discounts {
            values.iter_mut().zip(discounts).for_each(|(value, discount)| *value -= discount);
        }
        if let Some(divisors) = divisors {
            values.iter_mut().zip(divisors).for_each(|(value, divisor)| *value /= divisor);
        }
        if let Some(bits) = self.spared.get(path) {
            if bits.shape() != shape {
                return Err(AttribError::Shape {
                    what: path.to_string(),
                    expected: bits.shape().to_vec(),
                    found: shape.to_vec(),
                });
            }
            for index in bits.iter() {
                if let Some(value) = values.get_mut(index) {
                    *value = value.min(0.0);
                }
            }
        }
        Ok(ParamScores::new(path.clone(), shape, Convention::BiasCarried, values)?)
    }
}

/// Adds `floor` times their mean to all costs. If all are 0, they become 1.
fn raise(costs: &mut BTreeMap<ParamPath, Vec<f32>>, floor: f64) {
    let count = costs.values().map(Vec::len).sum::<usize>();
    let sum: f64 = costs.values().flatten().map(|own| f64::from(*own)).sum();
    let least = (floor * sum / count.max(1) as f64) as f32;
    let least = if least > 0.0 { least } else { 1.0 };
    costs.values_mut().flatten().for_each(|own| *own += least);
}

/// The `⌊share · channels⌋` channels with the largest norms. Of equal norms, the earlier ones.
fn largest(norms: &BTreeMap<Site, Vec<f32>>, share: f64) -> BTreeMap<Site, Vec<usize>> {
    let mut all: Vec<(f32, Site, usize)> = norms
        .iter()
        .flat_map(|(site, own)| own.iter().enumerate().map(|(i, norm)| (*norm, *site, i)))
        .collect();
    let count = (share * all.len() as f64) as usize;
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut found: BTreeMap<Site, Vec<usize>> = BTreeMap::new();
    all.into_iter().take(count).for_each(|(_, site, i)| found.entry(site).or_default().push(i));
    found
}

/// All weights that read these channels.
fn readers(dims: &ModelDims, channels: &BTreeMap<Site, Vec<usize>>) -> Result<Mask, AttribError> {
    let mut mask = Mask::default();
    for (path, layer, projection) in dims.projections() {
        let Some(own) = channels.get(&projection.input_site(layer)) else { continue };
        let mut bits = BitMatrix::new(dims.shape(projection))?;
        own.iter().try_for_each(|channel| bits.insert_column(*channel))?;
        mask.insert(path, bits)?;
    }
    Ok(mask)
}

impl Guard {
    /// Measures what the rules need: one pass back and forth per neutral text, `threads` of them
    /// side by side.
    ///
    /// # Errors
    /// As [`NeutralCost::each`].
    pub fn measure<B: AutodiffBackend, M: DifferentiableModel<B>>(
        &self,
        model: &M,
        neutral: &[Sequence],
        threads: usize,
    ) -> Result<MeasuredGuard, AttribError> {
        let costs = NeutralCost::default().with_threads(threads);
        MeasuredGuard::new(*self, model.dims(), |take| costs.each(model, neutral, take))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_divides_what_is_above_its_floor() {
        let path = ParamPath::of(0, bias_types::Projection::Down);
        let mut divisors = BTreeMap::from([(path.clone(), vec![0.0, 2.0, 4.0, 2.0])]);
        raise(&mut divisors, 0.5);
        assert_eq!(divisors[&path], [1.0, 3.0, 5.0, 3.0]);
        let own = MeasuredGuard { spared: Mask::default(), discounts: BTreeMap::new(), divisors };
        let scores = |values: Vec<f32>| {
            ParamScores::new(path.clone(), [2, 2], Convention::BiasCarried, values).unwrap()
        };
        let found = own.apply_to(&scores(vec![1.0, 6.0, -5.0, 0.0])).unwrap();
        assert_eq!(found.values(), [1.0, 2.0, -1.0, 0.0]);
        let mut none = BTreeMap::from([(path.clone(), vec![0.0; 4])]);
        raise(&mut none, 0.5);
        assert_eq!(none[&path], [1.0; 4], "without any price, scores stay as they are");
        assert!(Guard::per(super::super::cost::Cost::Output, 0.0).is_err());
    }

    #[test]
    fn the_largest_channels_are_those_of_a_sorted_list() {
        let site = |layer| bias_types::Projection::Down.input_site(layer);
        let norms = BTreeMap::from([(site(0), vec![1.0, 9.0, 3.0]), (site(1), vec![9.0, 2.0])]);
        let of = |share| largest(&norms, share);
        assert!(of(0.1).is_empty());
        assert_eq!(of(0.2), BTreeMap::from([(site(0), vec![1])]), "the earlier of equal norms");
        assert_eq!(of(0.6), BTreeMap::from([(site(0), vec![1, 2]), (site(1), vec![0])]));
        assert_eq!(of(1.0).values().map(Vec::len).sum::<usize>(), 5);
    }
}
