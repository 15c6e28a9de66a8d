//! Matching pursuit that finds the next candidate without looking at all of them each time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::iter::{IntoParallelRefMutIterator as _, ParallelIterator as _};

/// The cost of a residual, row by row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// From this row on, only a residual below 0 counts.
    pub one_sided: usize,
}

impl Costs {
    /// The cost of a row with this residual.
    pub(super) fn of(self, row: usize, missing: f32) -> f32 {
        let missing = if row < self.one_sided { missing } else { missing.min(0.0) };
        missing * missing
    }

    /// The amount by which a move lowers the cost.
    fn gain(self, moves: &[f32], missing: &[f32]) -> f32 {
        let of = |(r, (moved, missing)): (usize, (&f32, &f32))| {
            self.of(r, *missing) - self.of(r, missing - moved)
        };
        moves.iter().zip(missing).enumerate().map(of).sum()
    }

    fn norm(self, missing: &[f32]) -> f64 {
        missing.iter().enumerate().map(|(r, v)| f64::from(self.of(r, *v))).sum::<f64>().sqrt()
    }
}

/// Candidates in a block.
const BLOCK: usize = 64;

/// Number of blocks from which on several threads are worth their cost.
const SIDE_BY_SIDE: usize = 8;

/// A rounding error of f32 is at most this share of a number.
const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// A candidate, with a bound of its gain from the last look at it.
#[derive(Debug, Clone, Copy)]
struct Known {
    candidate: usize,
    /// The Euclidean norm of its moves, rounded up.
    norm: f64,
    /// The last gain less `2 · travelled · norm` at that time. After any distance travelled, the
    /// gain is at most `start + 2 · travelled · norm`.
    start: f64,
}

impl Known {
    /// Remembers a gain that was computed after this distance. A bound that overflows becomes
    /// infinite, so that the candidate is looked at every time.
    fn saw(&mut self, gain: f32, travelled: f64) {
        let start = f64::from(gain) - 2.0 * travelled * self.norm;
        self.start = if start.is_finite() { start } else { f64::INFINITY };
    }
}

/// Candidates with moves of about equal norm.
#[derive(Debug, Default)]
struct Block {
    all: Vec<Known>,
    /// Candidate by candidate, a number for every row.
    moves: Vec<f32>,
    /// The largest of its candidates' norms and starts.
    norm: f64,
    start: f64,
    /// The best of the candidates that were looked at last.
    best: Option<Best>,
    /// Number of candidates that were looked at last.
    looked_at: usize,
}

impl Block {
    /// Removes a candidate and returns its moves.
    fn take(&mut self, place: usize) -> Vec<f32> {
        let rows = self.moves.len() / self.all.len();
        self.all.remove(place);
        self.moves.drain(place * rows..(place + 1) * rows).collect()
    }
}

/// A gain, its candidate, and the candidate's index in its block.
#[derive(Debug, Clone, Copy)]
struct Best {
    gain: f32,
    candidate: usize,
    place: usize,
}

/// A candidate chosen, the price of all up to it, and the cost of the residual after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub candidate: usize,
    pub spent: f64,
    pub left: f64,
}

impl Best {
    /// The higher gain; of equal gains, that of the earlier candidate.
    fn or(self, other: Option<Self>) -> Self {
        other.filter(|other| other.above(self)).unwrap_or(self)
    }

    fn above(self, other: Self) -> bool {
        self.gain.total_cmp(&other.gain).then(other.candidate.cmp(&self.candidate)).is_gt()
    }
}

/// Matching pursuit (Mallat & Zhang 1993): it chooses one candidate after another, each time the
/// one that lowers the residual's cost most, given those before it.
///
/// The choice equals, to the last bit, that of a search over all candidates, but only a few are
/// looked at. A choice may make another candidate *more* useful, so an old gain alone is no bound,
/// as it would be with diminishing returns. But the derivative of a cost is at most twice the
/// residual, or 0, so the gain of moves `v` changes by at most `2 ‖v‖` times the distance that the
/// residual has travelled. An old gain and the distance since then therefore give a bound. Blocks
/// of candidates with about equal `‖v‖` share a bound, and blocks that cannot hold the best
/// candidate are skipped.
#[derive(Debug)]
pub(super) struct Matching {
    costs: Costs,
    rows: usize,
    missing: Vec<f32>,
    blocks: Vec<Block>,
    /// The distance that `missing` has travelled since every candidate was looked at.
    travelled: f64,
    /// The residual's norm at that time.
    norm: f64,
    /// Number of gains computed.
    looked_at: usize,
}

impl Matching {
    /// Takes the candidates' `moves`, one candidate after the other, each with a number for every
    /// row of `missing`.
    pub(super) fn new(costs: Costs, moves: &[f32], missing: Vec<f32>) -> Self {
        let rows = missing.len();
        let known = moves.chunks_exact(rows.max(1)).enumerate().map(|(candidate, own)| {
            let square: f64 = own.iter().map(|v| f64::from(*v).powi(2)).sum();
            Known { candidate, norm: square.sqrt() * (1.0 + 1e-9), start: f64::INFINITY }
        });
        let mut known: Vec<Known> = known.collect();
        known
            .sort_unstable_by(|a, b| a.norm.total_cmp(&b.norm).then(a.candidate.cmp(&b.candidate)));
        let block = |all: &[Known]| Block {
            all: all.to_vec(),
            moves: all
                .iter()
                .flat_map(|own| &moves[own.candidate * rows..][..rows])
                .copied()
                .collect(),
            norm: all.last().map_or(0.0, |own| own.norm),
            ..Block::default()
        };
        let blocks = known.chunks(BLOCK).map(block).collect();
        let mut own =
            Self { costs, rows, missing, blocks, travelled: 0.0, norm: 0.0, looked_at: 0 };
        own.look_at_all();
        own
    }

    /// Chooses candidates, in order, until the residual's norm has fallen to `goal` times its first
    /// value, nothing helps any more, or `limit` are chosen.
    pub(super) fn choose(&mut self, goal: f64, limit: usize) -> Vec<usize> {
        let goal = goal * self.costs.norm(&self.missing);
        let mut chosen = Vec::new();
        while chosen.len() < limit {
            let Some((best, block)) = self.next(goal) else { break };
            self.take(best, block);
            chosen.push(best.candidate);
        }
        chosen
    }

    /// The same, but stops before the `prices` of the chosen candidates add up to more than
    /// `radius`. Also says whether that ended it.
    pub(super) fn choose_within(
        &mut self,
        goal: f64,
        limit: usize,
        prices: &[f32],
        radius: f64,
    ) -> (Vec<Choice>, bool) {
        let goal = goal * self.costs.norm(&self.missing);
        let (mut chosen, mut spent): (Vec<Choice>, f64) = (Vec::new(), 0.0);
        while chosen.len() < limit {
            let Some((best, block)) = self.next(goal) else { break };
            spent += prices.get(best.candidate).copied().map_or(f64::INFINITY, f64::from);
            if spent > radius {
                return (chosen, true);
            }
            self.take(best, block);
            let left = self.costs.norm(&self.missing).powi(2);
            chosen.push(Choice { candidate: best.candidate, spent, left });
        }
        (chosen, false)
    }

    /// The candidate that helps most, and its block, unless the residual's norm is at the goal.
    fn next(&mut self, goal: f64) -> Option<(Best, usize)> {
        let norm = self.costs.norm(&self.missing);
        // The precision of bounds depends on the residual's norm when they were made.
        if norm > goal && norm < self.norm / 2.0 {
            self.look_at_all();
        }
        let best = if norm > goal { self.best(norm) } else { None };
        best.filter(|(best, _)| best.gain > 0.0)
    }

    /// Moves the residual by a candidate, which is then no longer one.
    fn take(&mut self, best: Best, block: usize) {
        let mut way = 0.0;
        for (missing, moved) in self.missing.iter_mut().zip(self.blocks[block].take(best.place)) {
            let before = *missing;
            *missing -= moved;
            way += f64::from(*missing - before).powi(2);
        }
        self.travelled += way.sqrt() * (1.0 + 1e-6);
    }

    /// Computes all bounds again.
    fn look_at_all(&mut self) {
        (self.travelled, self.norm) = (0.0, self.costs.norm(&self.missing));
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.par_iter_mut().for_each(|block| self.look(block, f64::NEG_INFINITY, f64::INFINITY));
        self.looked_at += blocks.iter().map(|block| block.looked_at).sum::<usize>();
        self.blocks = blocks;
    }

    /// The candidate that helps most, and its block. `norm` is that of the residual. If nothing
    /// helps, it may be any candidate.
    fn best(&mut self, norm: f64) -> Option<(Best, usize)> {
        let bounds = self.blocks.iter().enumerate().filter(|(_, block)| !block.all.is_empty());
        let bounds = bounds.map(|(i, block)| (self.bound(block, norm), i));
        // The bits of positive numbers sort as the numbers do.
        let bounds = bounds
            .filter(|(bound, _)| *bound > 0.0)
            .map(|(bound, i)| (bound.to_bits(), Reverse(i)));
        let mut open: BinaryHeap<(u64, Reverse<usize>)> = bounds.collect();
        let mut best: Option<(Best, usize)> = None;
        let mut at_once = 1;
        loop {
            let enough = best.map_or(0.0, |(best, _)| f64::from(best.gain).max(0.0));
            let mut wave: Vec<(usize, Block)> = Vec::with_capacity(at_once);
            while wave.len() < at_once
                && let Some((bound, Reverse(i))) = open.peek().copied()
                && f64::from_bits(bound) >= enough
            {
                open.pop();
                wave.push((i, std::mem::take(&mut self.blocks[i])));
            }
            if wave.is_empty() {
                return best;
            }
            if wave.len() < SIDE_BY_SIDE {
                wave.iter_mut().for_each(|(_, block)| self.look(block, enough, norm));
            } else {
                wave.par_iter_mut().for_each(|(_, block)| self.look(block, enough, norm));
            }
            for (i, block) in wave {
                self.looked_at += block.looked_at;
                if let Some(own) = block.best
                    && best.is_none_or(|(best, _)| own.above(best))
                {
                    best = Some((own, i));
                }
                self.blocks[i] = block;
            }
            at_once *= 2;
        }
    }

    /// Looks at the candidates of a block that may gain `enough`. `norm` is that of the residual.
    fn look(&self, block: &mut Block, enough: f64, norm: f64) {
        (block.best, block.looked_at) = (None, 0);
        let (travelled, rounding) = (2.0 * self.travelled, self.rounding(block.norm, norm));
        let (mut start, mut least) = (f64::NEG_INFINITY, enough - rounding);
        for (place, (own, moves)) in
            block.all.iter_mut().zip(block.moves.chunks_exact(self.rows)).enumerate()
        {
            // If this is NaN, nothing is known, so the candidate is looked at.
            let too_low = own.start + travelled * own.norm < least;
            if !too_low {
                let gain = self.costs.gain(moves, &self.missing);
                own.saw(gain, self.travelled);
                block.looked_at += 1;
                block.best = Some(Best { gain, candidate: own.candidate, place }.or(block.best));
                least = least.max(f64::from(gain) - rounding);
            }
            start = start.max(own.start);
        }
        block.start = start;
    }

    /// An upper bound of the gains of a block's candidates, as computed in f32.
    fn bound(&self, block: &Block, norm: f64) -> f64 {
        let bound =
            block.start + 2.0 * self.travelled * block.norm + self.rounding(block.norm, norm);
        if bound.is_nan() { f64::INFINITY } else { bound }
    }

    /// With the unit roundoff `u` of f32, the residual's norm `M`, the norm `N` of moves and `R`
    /// rows, the error of a computed gain is below `u (M² + 3 (M + N)² + R N (2 M + N))`. The same
    /// holds for the remembered gain.
    fn rounding(&self, moves: f64, missing: f64) -> f64 {
        let most = self.norm.max(missing);
        let off = most * most
            + 3.0 * (most + moves).powi(2)
            + self.rows as f64 * moves * (2.0 * most + moves);
        3.0 * UNIT * off + f64::from(f32::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every candidate looked at for every choice.
    fn by_scanning(
        costs: Costs,
        moves: &[f32],
        mut missing: Vec<f32>,
        goal: f64,
        limit: usize,
    ) -> Vec<usize> {
        let rows = missing.len();
        let goal = goal * costs.norm(&missing);
        let (mut chosen, mut taken) = (Vec::new(), vec![false; moves.len() / rows]);
        while chosen.len() < limit && costs.norm(&missing) > goal {
            let open = moves.chunks_exact(rows).enumerate().filter(|(i, _)| !taken[*i]);
            let best = open
                .map(|(i, moves)| (i, costs.gain(moves, &missing)))
                .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
            let Some((at, _)) = best.filter(|(_, gain)| *gain > 0.0) else { break };
            missing
                .iter_mut()
                .zip(&moves[at * rows..])
                .for_each(|(missing, moved)| *missing -= moved);
            taken[at] = true;
            chosen.push(at);
        }
        chosen
    }

    fn lazily(
        costs: Costs,
        moves: &[f32],
        missing: &[f32],
        goal: f64,
        limit: usize,
    ) -> (Vec<usize>, usize) {
        let mut matching = Matching::new(costs, moves, missing.to_vec());
        let chosen = matching.choose(goal, limit);
        (chosen, matching.looked_at)
    }

    proptest! {
        /// Few distinct moves, so that ties are common and choices make others better; rows from
        /// any on are one-sided; sizes that differ by orders of magnitude.
        #[test]
        fn it_chooses_what_a_look_at_all_would(
            table in prop::collection::vec((prop::collection::vec(-3i8..4, 4), -3i32..1), 1..400),
            missing in prop::collection::vec(-4.0f32..4.0, 4),
            one_sided in 0usize..=4,
            goal in 0.0f64..0.5,
        ) {
            let row = |(moves, size): &(Vec<i8>, i32)| -> Vec<f32> {
                moves.iter().map(|v| f32::from(*v) * 10f32.powi(*size) / 7.0).collect()
            };
            let moves: Vec<f32> = table.iter().flat_map(row).collect();
            let costs = Costs { one_sided };
            let expected = by_scanning(costs, &moves, missing.clone(), goal, 200);
            prop_assert_eq!(lazily(costs, &moves, &missing, goal, 200).0, expected);
        }
    }

    /// Moves as of weights: most do little, some much, all of them something to every row.
    fn random(candidates: usize, rows: usize) -> (Vec<f32>, Vec<f32>) {
        let mut state = 1u64;
        let mut draw = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u32 << 24) as f32 - 0.5
        };
        let mut moves = Vec::with_capacity(candidates * rows);
        for _ in 0..candidates {
            let size = (draw() + 0.5).powi(6) * 0.02;
            let side = draw();
            moves
                .extend((0..rows).map(|r| size * (draw() + if r % 2 == 0 { side } else { -side })));
        }
        let missing = (0..rows).map(|r| if r % 2 == 0 { 0.7 } else { -0.7 } + 0.3 * draw());
        let missing = missing.collect();
        (moves, missing)
    }

    #[test]
    fn few_candidates_are_looked_at() {
        let (moves, missing) = random(4096, 9);
        let costs = Costs { one_sided: 8 };
        let (chosen, looked_at) = lazily(costs, &moves, &missing, 0.0, 1000);
        assert_eq!(chosen, by_scanning(costs, &moves, missing, 0.0, 1000));
        assert!(chosen.len() > 200, "{}", chosen.len());
        let share = looked_at as f64 / (chosen.len() * 4096) as f64;
        assert!(share < 0.2, "{share} of all gains");
    }

    #[test]
    fn numbers_beyond_f32_end_it_as_a_look_at_all_would() {
        let moves = [1e25, 0.1, f32::INFINITY, 0.2, f32::MAX, -f32::MAX, 0.5, 0.0];
        for one_sided in 0..=2 {
            let costs = Costs { one_sided };
            let expected = by_scanning(costs, &moves, vec![1.0, -1.0], 0.0, 9);
            assert_eq!(lazily(costs, &moves, &[1.0, -1.0], 0.0, 9).0, expected);
        }
        assert!(lazily(Costs { one_sided: 1 }, &[], &[1.0], 0.0, 9).0.is_empty());
    }
}
