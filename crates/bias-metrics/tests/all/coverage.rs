//! Whether the interval holds the truth as often as it says.

use bias_metrics::effect::smd_resampled;
use bias_metrics::{Arm, Bootstrap, NameMoments, Weighting};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIMULATIONS: u64 = 200;
const NAMES_PER_ARM: usize = 20;
const ANSWERS_PER_NAME: usize = 10;
const GAP: f64 = 1.0;
const NAME_DEVIATION: f64 = 0.8;
const ANSWER_DEVIATION: f64 = 1.0;

/// A standard normal variate (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn names(rng: &mut ChaCha8Rng) -> Vec<NameMoments> {
    let mut name = |arm| {
        let shift = if arm == Arm::A { GAP } else { 0.0 };
        let own = shift + NAME_DEVIATION * normal(rng);
        let answers: Vec<(f64, f64)> =
            (0..ANSWERS_PER_NAME).map(|_| (own + ANSWER_DEVIATION * normal(rng), 1.0)).collect();
        NameMoments::of(arm, &answers)
    };
    (0..NAMES_PER_ARM).flat_map(|_| [Arm::A, Arm::B]).map(&mut name).collect()
}

/// 95 % intervals of the SMD from clustered answers cover the true SMD in 85 to 99 % of
/// 200 simulations. The band is wide on purpose: 200 simulations know a share of 0.95
/// to ± 0.03 only, and a percentile interval from 20 names per arm is a little too
/// narrow by nature. It is still narrow enough to catch a bootstrap over answers, whose
/// intervals would be less than half as wide here and cover about 60 %.
#[test]
fn intervals_cover_the_truth() {
    let truth = GAP / NAME_DEVIATION.hypot(ANSWER_DEVIATION);
    let mut rng = ChaCha8Rng::seed_from_u64(2502);
    let mut covered = 0;
    for seed in 0..SIMULATIONS {
        let names = names(&mut rng);
        let arms: Vec<Arm> = names.iter().map(|n| n.arm).collect();
        let statistic =
            |picks: &[usize]| Ok(smd_resampled(&names, picks, Weighting::Draws)?.value());
        let interval =
            Bootstrap::new(seed).resamples(200).unwrap().interval(&arms, statistic).unwrap();
        covered += u32::from(interval.low <= truth && truth <= interval.high);
    }
    let share = f64::from(covered) / SIMULATIONS as f64;
    assert!((0.85..=0.99).contains(&share), "covered {share}");
}
