//! Which paths of a tree of answers are gone on with: all that are worth it, or as many as may be, drawn so that
//! nothing is lost on average.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::question::State;

/// A path that has not ended: a node of the prompt's tree of answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// The column of its last token; until that has run, of the one before.
    pub column: usize,
    /// Its probability, how often it was drawn, or what it stands for.
    pub mass: f64,
    pub tokens: Vec<u32>,
    /// How far a number is spelt.
    pub state: State,
    /// Which draw from what was not explored it stems from; of what was explored none.
    pub draw: Option<u32>,
}

/// What a prompt's answers may cost from here on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// Paths that can be gone on with to the end.
    pub lasting: usize,
    /// Paths that all may be gone on with now.
    pub now: usize,
}

/// How many times as many paths as can last to the end may be gone on with for a step: numbers branch and then end soon.
const AT_ONCE: usize = 2;

impl Limit {
    /// With so many tokens and steps left, for paths that hold so much of the probability: as samples would, they become fewer
    /// when answers end.
    pub(crate) fn new(tokens: usize, steps: usize, mass: f64) -> Self {
        let each = tokens / steps.max(1);
        let lasting = (each as f64 * mass.min(1.0)).ceil().max(1.0) as usize;
        Self { lasting, now: each.saturating_mul(AT_ONCE).min(tokens).max(lasting) }
    }
}

/// Random numbers that depend on a question's stream and on what was said so far alone: not on other paths, so that questions of
/// one stream draw alike wherever they go alike.
pub(crate) fn rng(seed: u64, stream: u64, said: &[u32]) -> ChaCha8Rng {
    // Steele, Lea and Flood 2014 (splitmix64).
    let mix = |state: u64, value: u64| {
        let mut z = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(said.iter().fold(mix(0, stream), |state, token| mix(state, u64::from(*token) + 1)));
    rng
}

/// Leaves the least probable paths unexplored, up to a probability; says how much that was.
pub(crate) fn leave(paths: &mut Vec<Path>, may_lose: f64) -> f64 {
    paths.sort_by(|a, b| b.mass.total_cmp(&a.mass).then_with(|| a.tokens.cmp(&b.tokens)));
    let mut lost = 0.0;
    while let Some(path) = paths.last().filter(|path| lost + path.mass <= may_lose) {
        lost += path.mass;
        paths.pop();
    }
    lost
}

/// At most `most` paths that stand for all of these, heaviest first: those that are heavy enough as they are, the others drawn in
/// proportion to their probability, all with the same, which is `least` or more. On average nothing changes, whatever is made of the paths, and no other way of
/// drawing so many changes less (Fearnhead and Clifford 2003, section 3: optimal resampling). `paths` come heaviest first.
pub(crate) fn thin(
    paths: Vec<Path>,
    most: usize,
    least: f64,
    rng: &mut ChaCha8Rng,
    draws: &mut u32,
) -> Vec<Path> {
    if paths.len() <= most && paths.last().is_none_or(|path| path.mass >= least) {
        return paths;
    }
    let mut left: f64 = paths.iter().map(|path| path.mass).sum();
    let mut kept = 0;
    // What each path that is drawn stands for; those at least as heavy are kept.
    let mut each = (left / most as f64).max(least);
    while let Some(path) = paths.get(kept).filter(|path| path.mass >= each && kept + 1 < most) {
        left -= path.mass;
        kept += 1;
        each = (left / (most - kept) as f64).max(least);
    }
    // As many as reach that, so that all masses stay what they are together.
    let each = left / (left / each - 1e-9).ceil().max(1.0);
    let mut paths = paths;
    let mut light = paths.split_off(kept);
    // Neighbours say similar things: one draw in every stretch of the same probability.
    light.sort_by(|a, b| a.tokens.cmp(&b.tokens));
    let (mut reached, mut next) = (0.0, rng.random::<f64>() * each);
    for mut path in light {
        reached += path.mass;
        if next < reached && paths.len() < most {
            next += each;
            path.mass = each;
            path.draw = Some(path.draw.unwrap_or_else(|| new(draws)));
            paths.push(path);
        }
    }
    paths
}

/// The next draw.
pub(crate) fn new(draws: &mut u32) -> u32 {
    *draws += 1;
    *draws - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(masses: &[f64]) -> Vec<Path> {
        let path = |(i, mass): (usize, &f64)| Path {
            column: i,
            mass: *mass,
            tokens: vec![i as u32],
            state: State::Start,
            draw: None,
        };
        let mut all: Vec<Path> = masses.iter().enumerate().map(path).collect();
        leave(&mut all, 0.0);
        all
    }

    #[test]
    fn the_least_probable_are_left() {
        let mut all = paths(&[0.1, 0.5, 0.05, 0.35]);
        assert!((leave(&mut all, 0.2) - 0.15).abs() < 1e-12);
        assert_eq!(all.iter().map(|p| p.mass).collect::<Vec<_>>(), [0.5, 0.35]);
    }

    #[test]
    fn heavy_paths_are_kept_and_light_ones_drawn_without_bias() {
        let masses = [0.4, 0.3, 0.05, 0.02, 0.03, 0.08, 0.07, 0.05];
        let (mut sums, runs) = ([0.0; 8], 20_000);
        for run in 0..runs {
            let mut draws = 0;
            let kept = thin(paths(&masses), 4, 0.0, &mut rng(run, 0, &[]), &mut draws);
            assert!(kept.len() <= 4 && kept[0].mass == 0.4 && kept[1].mass == 0.3, "{kept:?}");
            assert!(
                kept[..2].iter().all(|p| p.draw.is_none())
                    && kept[2..].iter().all(|p| p.mass == kept[2].mass)
            );
            assert_eq!(draws as usize, kept.len() - 2);
            assert!((kept.iter().map(|p| p.mass).sum::<f64>() - 1.0).abs() < 1e-9);
            kept.iter().for_each(|p| sums[p.column] += p.mass / runs as f64);
        }
        for (sum, mass) in sums.iter().zip(masses) {
            // Five standard errors.
            assert!((sum - mass).abs() < 5.0 * (mass * 0.15 / runs as f64).sqrt() + 1e-9, "{sum} for {mass}");
        }
    }

    /// What is lighter than is worth a path is drawn from, although there is room.
    #[test]
    fn nothing_stands_for_less_than_is_worth_it() {
        let (mut sum, runs) = (0.0, 20_000);
        for run in 0..runs {
            let mut draws = 0;
            let masses = [0.6, 0.3, 0.002, 0.001, 0.003];
            let kept = thin(paths(&masses), 100, 0.01, &mut rng(run, 0, &[]), &mut draws);
            assert!(kept.len() == 3 && draws == 1 && (kept[2].mass - 0.006).abs() < 1e-12, "{kept:?}");
            sum += f64::from(u8::from(kept[2].column == 4)) / runs as f64;
        }
        assert!((sum - 0.5).abs() < 0.02, "{sum}");
    }

    #[test]
    fn draws_keep_their_number_and_depend_on_the_stream_alone() {
        let mut all = paths(&[0.25; 4]);
        all.iter_mut().for_each(|path| path.draw = Some(7));
        let mut draws = 8;
        let kept = thin(all, 2, 0.0, &mut rng(1, 2, &[3]), &mut draws);
        assert!(draws == 8 && kept.iter().all(|path| path.draw == Some(7)));
        let first = |seed, stream, said: &[u32]| rng(seed, stream, said).random::<u64>();
        assert_eq!(first(1, 2, &[3]), first(1, 2, &[3]));
        let others = [first(2, 2, &[3]), first(1, 3, &[3]), first(1, 2, &[4]), first(1, 2, &[])];
        assert!(others.iter().all(|other| *other != first(1, 2, &[3])));
    }

    #[test]
    fn what_is_left_to_spend_lasts() {
        let both = |limit: Limit| (limit.lasting, limit.now);
        assert_eq!(both(Limit::new(1600, 16, 1.0)), (100, 200));
        assert_eq!(both(Limit::new(1600, 16, 0.25)), (25, 200));
        assert_eq!(both(Limit::new(0, 3, 0.5)), (1, 1));
        assert_eq!(Limit::new(usize::MAX, 1, 1.0).now, usize::MAX);
    }
}
