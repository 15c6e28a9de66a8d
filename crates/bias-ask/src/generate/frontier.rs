//! The paths of an answer tree to follow: all that are worth it, or as many as the budget allows,
//! drawn without bias.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::decoding::BUDGET;
use crate::question::number::State;

/// A path that has not ended: a node of the prompt's answer tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// The column of its last token; until that token has run, of the one before.
    pub column: usize,
    /// Its probability, the number of its draws, or the weight that it stands for.
    pub mass: f64,
    pub tokens: Vec<u32>,
    /// The state of the number that it spells.
    pub state: State,
    /// The draw from the unexplored answers that it stems from; none for an explored path.
    pub draw: Option<u32>,
    /// Why it is not followed further; `None` while it is followed.
    pub end: Option<End>,
}

/// Why a path is not followed further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The answer is complete.
    Finished,
    /// No step is left.
    Cut,
}

/// The rest of the budget for a prompt's answers, in tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purse {
    /// The budget that it began with.
    whole: f64,
    /// The part kept for answers that never end.
    steady: f64,
    /// The part to spend while answers may still have the usual length.
    early: f64,
    /// The smallest number of paths that any step has got so far.
    samples: f64,
}

/// The usual length of an answer, in tokens.
const USUAL: usize = 16;

impl Purse {
    pub(crate) fn new(tokens: usize) -> Self {
        let half = tokens as f64 / 2.0;
        Self { whole: tokens as f64, steady: half, early: half, samples: f64::INFINITY }
    }

    /// With this many steps to come: the number of samples that the followed paths are worth, at
    /// most.
    pub(crate) fn samples(self, steps: usize) -> f64 {
        self.samples.min(self.parts(steps).iter().sum()).max(1.0)
    }

    /// The number of answers that the last step may tell apart. It runs none of their tokens, but
    /// whoever differentiates these answers does.
    pub(crate) fn at_last(self) -> f64 {
        self.whole.max(BUDGET as f64)
    }

    fn parts(self, steps: usize) -> [f64; 2] {
        [self.steady / steps.max(1) as f64, self.early / steps.clamp(1, USUAL) as f64]
    }

    /// The number of paths that may be followed if these are all.
    pub(crate) fn all(self, steps: usize) -> usize {
        let now = self.parts(steps).iter().sum::<f64>() * AT_ONCE;
        (now.min(self.steady + self.early) as usize).max(1)
    }

    /// This many paths are followed.
    pub(crate) fn spend(&mut self, paths: usize, steps: usize) {
        self.samples = self.samples(steps);
        let steady = self.parts(steps)[0].min(paths as f64);
        self.early -= paths as f64 - steady;
        self.steady -= steady;
        // What was spent early beyond that is missing later.
        self.steady = (self.steady + self.early.min(0.0)).max(0.0);
        self.early = self.early.max(0.0);
    }
}

/// If these are all paths, a step may follow this many times more: numbers branch, and then end
/// soon.
const AT_ONCE: f64 = 2.0;

/// Random numbers that depend only on a question's stream and on the tokens so far, not on other
/// paths. So questions of one stream draw alike as long as their answers are alike.
pub(crate) fn rng(seed: u64, stream: u64, said: &[u32]) -> ChaCha8Rng {
    // Steele, Lea and Flood 2014 (splitmix64).
    let mix = |state: u64, value: u64| {
        let mut z = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(
        said.iter().fold(mix(0, stream), |state, token| mix(state, u64::from(*token) + 1)),
    );
    rng
}

/// Leaves the least probable paths unexplored, up to a probability, and returns their total. The
/// other paths come heaviest first.
pub(crate) fn leave(paths: &mut Vec<Path>, may_lose: f64) -> f64 {
    let order = |a: &Path, b: &Path| {
        let over = a.end.is_none().cmp(&b.end.is_none());
        over.then(b.mass.total_cmp(&a.mass)).then_with(|| a.tokens.cmp(&b.tokens))
    };
    paths.sort_by(order);
    let mut lost = 0.0;
    while let Some(path) =
        paths.last().filter(|path| path.end.is_none() && lost + path.mass <= may_lose)
    {
        lost += path.mass;
        paths.pop();
    }
    lost
}

/// Draws paths that stand for all of these. Each is worth at least as much as one of `samples`
/// draws for a mass of 1, and no less than `least`. Heavy paths keep their weight; the others are
/// drawn in proportion to their probability, and all get the same weight. The expectation of any
/// function of the paths stays the same (Fearnhead and Clifford 2003, section 3: optimal
/// resampling). Paths that have ended are drawn together with those that go on, as samples end. All
/// paths have grown from ones of `said` tokens.
pub(crate) fn thin(
    paths: Vec<Path>,
    said: usize,
    samples: f64,
    least: f64,
    rng: &mut ChaCha8Rng,
    draws: &mut Draws,
) -> Vec<Path> {
    let each = least.max(1.0 / samples);
    let (mut kept, mut light): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| path.mass >= each);
    let left: f64 = light.iter().map(|path| path.mass).sum();
    // As many as reach that, so that all masses stay what they are together.
    let each = left / (left / each - 1e-9).ceil().max(1.0);
    light.sort_by(|a, b| a.tokens.cmp(&b.tokens));
    // Of every path's continuations as many as they are worth, evenly over all paths; which ones,
    // apart for each.
    let (mut reached, mut next) = (0.0, rng.random::<f64>() * each);
    for own in light.chunk_by(|a, b| a.tokens.get(..said) == b.tokens.get(..said)) {
        let mass: f64 = own.iter().map(|path| path.mass).sum();
        reached += mass;
        let mut count = 0;
        while next < reached {
            (next, count) = (next + each, count + 1);
        }
        let stretch = mass / f64::from(count);
        let (mut passed, mut drawn) = (0.0, 0);
        let mut at = stretch * rng.random::<f64>();
        for path in own {
            passed += path.mass;
            let mut times = 0;
            while drawn < count && at < passed {
                (drawn, times) = (drawn + 1, times + 1);
                at = stretch * (f64::from(drawn) + rng.random::<f64>());
            }
            if times > 0 {
                let draw = path.draw.unwrap_or_else(|| draws.add(&path.tokens, None));
                kept.push(Path { mass: each * f64::from(times), draw: Some(draw), ..path.clone() });
            }
        }
    }
    kept
}

/// The tokens of the paths at which something was drawn.
#[derive(Debug, Default)]
pub(crate) struct Draws(Vec<Vec<u32>>);

impl Draws {
    /// Adds one. It gets its number when all are known.
    pub(crate) fn add(&mut self, said: &[u32], token: Option<u32>) -> u32 {
        self.0.push(said.iter().copied().chain(token).collect());
        self.0.len() as u32 - 1
    }

    /// The rank of each in the order of its tokens: neighbours spell similar texts.
    pub(crate) fn order(&self) -> Vec<u32> {
        let mut sorted: Vec<usize> = (0..self.0.len()).collect();
        sorted.sort_by(|a, b| self.0[*a].cmp(&self.0[*b]).then(a.cmp(b)));
        let mut order = vec![0; sorted.len()];
        for (place, own) in (0u32..).zip(sorted) {
            order[own] = place;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(tokens: &[u32], mass: f64) -> Path {
        Path {
            column: 0,
            mass,
            tokens: tokens.to_vec(),
            state: State::Start,
            draw: None,
            end: None,
        }
    }

    fn paths(masses: &[f64]) -> Vec<Path> {
        masses.iter().zip(0..).map(|(mass, i)| path(&[i], *mass)).collect()
    }

    #[test]
    fn the_least_probable_are_left() {
        let mut all = paths(&[0.1, 0.5, 0.05, 0.35]);
        assert!((leave(&mut all, 0.2) - 0.15).abs() < 1e-12);
        assert_eq!(all.iter().map(|p| p.mass).collect::<Vec<_>>(), [0.5, 0.35]);
        // What has ended costs nothing any more.
        let mut all = paths(&[0.9, 0.1]);
        all[1].end = Some(End::Finished);
        assert_eq!((leave(&mut all, 0.2), all.len()), (0.0, 2));
    }

    #[test]
    fn heavy_paths_are_kept_and_light_ones_drawn_without_bias() {
        let masses = [0.4, 0.3, 0.05, 0.02, 0.03, 0.08, 0.07, 0.05];
        let (mut sums, runs) = ([0.0; 8], 20_000);
        for run in 0..runs {
            let mut draws = Draws::default();
            let kept = thin(paths(&masses), 0, 6.0, 0.0, &mut rng(run, 0, &[]), &mut draws);
            assert!(kept.len() <= 4 && kept[0].mass == 0.4 && kept[1].mass == 0.3, "{kept:?}");
            assert!(kept[..2].iter().all(|p| p.draw.is_none()));
            // Two draws of 0.15: of two paths, or of one twice.
            let drawn: Vec<f64> = kept[2..].iter().map(|p| p.mass).collect();
            assert!(
                drawn.iter().all(|mass| (mass / 0.15).fract() < 1e-9)
                    && draws.order().len() == drawn.len()
            );
            assert!((kept.iter().map(|p| p.mass).sum::<f64>() - 1.0).abs() < 1e-9);
            kept.iter().for_each(|p| sums[p.tokens[0] as usize] += p.mass / runs as f64);
        }
        for (sum, mass) in sums.iter().zip(masses) {
            // Five standard errors.
            assert!(
                (sum - mass).abs() < 5.0 * (mass * 0.15 / runs as f64).sqrt() + 1e-9,
                "{sum} for {mass}"
            );
        }
    }

    /// The paths go on as samples do: none dies, none splits in two, and each goes on by itself.
    #[test]
    fn a_path_that_is_worth_one_sample_has_one_continuation() {
        let mut apart = 0;
        for run in 0..200 {
            let grown = |own: u32| (0..10).map(move |token| path(&[own, token], 0.025));
            let all: Vec<Path> = (0..4).flat_map(grown).collect();
            let kept = thin(all, 1, 4.0, 0.0, &mut rng(run, 0, &[]), &mut Draws::default());
            assert_eq!(kept.iter().map(|p| p.tokens[0]).collect::<Vec<_>>(), [0, 1, 2, 3]);
            apart += u32::from(kept[0].tokens[1] != kept[1].tokens[1]);
        }
        // 180 on average.
        assert!(apart > 160, "{apart}");
    }

    /// Paths that are too light to be worth following are drawn from, even if the budget has room.
    #[test]
    fn nothing_stands_for_less_than_is_worth_it() {
        let (mut sum, runs) = (0.0, 20_000);
        for run in 0..runs {
            let mut draws = Draws::default();
            let masses = [0.6, 0.3, 0.002, 0.001, 0.003];
            let kept = thin(paths(&masses), 0, 1e9, 0.01, &mut rng(run, 0, &[]), &mut draws);
            assert!(
                kept.len() == 3 && draws.order().len() == 1 && (kept[2].mass - 0.006).abs() < 1e-12
            );
            sum += f64::from(u8::from(kept[2].tokens == [4])) / runs as f64;
        }
        assert!((sum - 0.5).abs() < 0.02, "{sum}");
    }

    #[test]
    fn draws_keep_their_number_and_depend_on_the_stream_alone() {
        let mut all = paths(&[0.25; 4]);
        all.iter_mut().for_each(|path| path.draw = Some(7));
        let mut draws = Draws::default();
        [[3, 0], [1, 9], [2, 0]].iter().for_each(|said| {
            draws.add(said, None);
        });
        assert_eq!(draws.order(), [2, 0, 1]);
        let kept = thin(all, 0, 2.0, 0.0, &mut rng(1, 2, &[3]), &mut draws);
        assert!(draws.order().len() == 3 && kept.iter().all(|path| path.draw == Some(7)));
        let first = |seed, stream, said: &[u32]| rng(seed, stream, said).random::<u64>();
        assert_eq!(first(1, 2, &[3]), first(1, 2, &[3]));
        let others = [first(2, 2, &[3]), first(1, 3, &[3]), first(1, 2, &[4]), first(1, 2, &[])];
        assert!(others.iter().all(|other| *other != first(1, 2, &[3])));
    }

    #[test]
    fn what_is_left_to_spend_lasts() {
        for (steps, least) in [(16, 100), (128, 6)] {
            let (mut purse, mut spent) = (Purse::new(1600), 0);
            for left in (1..=steps).rev() {
                let paths = purse.samples(left) as usize;
                assert!(paths >= least, "{paths} with {left} steps to come");
                assert!(purse.all(left) >= 2 * paths || left == 1, "{left}");
                purse.spend(paths, left);
                spent += paths;
            }
            assert!((1400..=1600).contains(&spent), "{spent}");
        }
        // Short answers are as many, although long ones could come.
        assert!(Purse::new(1600).samples(128) > 50.0);
        assert_eq!(Purse::new(0).samples(3), 1.0);
        assert!(Purse::new(usize::MAX).all(1) > 1 << 40);
    }
}
