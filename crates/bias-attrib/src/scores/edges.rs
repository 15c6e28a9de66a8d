use std::collections::BTreeMap;
use std::fmt;

use bias_types::model::{HeadId, KvGroupId};
use bias_types::{Convention, Unit, UnitScores};

use crate::error::AttribError;

/// A component that writes into the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Writer {
    /// Token embeddings, with those of positions: what enters the first block.
    Embedding,
    /// A query head, through its columns of `o_proj`.
    Head(HeadId),
    /// All heads of a layer together.
    Attention(usize),
    /// The MLP of a layer.
    Mlp(usize),
}

/// A reader of the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reader {
    /// The queries of a head.
    Query(HeadId),
    /// The keys of a key/value group.
    Key(KvGroupId),
    /// The values of a key/value group.
    Value(KvGroupId),
    /// The MLP of a layer, gate and router included.
    Mlp(usize),
    /// The final norm, and with it the logits.
    Logits,
}

/// A path through the residual stream that passes no other component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// The component that writes.
    pub from: Writer,
    /// The one that reads what was written.
    pub to: Reader,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedding => f.write_str("embedding"),
            Self::Head(id) => id.fmt(f),
            Self::Attention(layer) => write!(f, "L{layer}.attention"),
            Self::Mlp(layer) => write!(f, "L{layer}.mlp"),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(id) => write!(f, "{id}.q"),
            Self::Key(id) => write!(f, "{id}.k"),
            Self::Value(id) => write!(f, "{id}.v"),
            Self::Mlp(layer) => write!(f, "L{layer}.mlp"),
            Self::Logits => f.write_str("logits"),
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.from, self.to)
    }
}

/// The share of the gap that goes along each edge.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeScores {
    /// The meaning of a large value.
    pub convention: Convention,
    /// Each edge with its score: reader by reader in the order of the forward pass, and its writers
    /// in the same order.
    pub scores: Vec<(Edge, f32)>,
}

impl EdgeScores {
    /// The score of an edge.
    ///
    /// # Errors
    /// [`AttribError::NotScored`].
    pub fn get(&self, edge: Edge) -> Result<f32, AttribError> {
        let found = self.scores.iter().find(|(scored, _)| *scored == edge);
        found
            .map(|(_, score)| *score)
            .ok_or_else(|| AttribError::NotScored { what: edge.to_string() })
    }

    /// The sum over the edges that leave a component: the component's own score.
    #[must_use]
    pub fn out_of(&self, writer: Writer) -> f64 {
        let own = self.scores.iter().filter(|(edge, _)| edge.from == writer);
        own.map(|(_, score)| f64::from(*score)).sum()
    }

    /// Edges by the size of their scores, largest first. Equal sizes keep the order of the edges.
    #[must_use]
    pub fn ranked(&self) -> Vec<(Edge, f32)> {
        let mut order = self.scores.clone();
        order.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
        order
    }

    /// The scores of what can be ranked and pruned, [`out_of`](Self::out_of) each: heads, or layers
    /// (attention and MLP together) if attention was scored as a whole.
    #[must_use]
    pub fn units(&self) -> UnitScores {
        let whole = self.scores.iter().any(|(edge, _)| matches!(edge.from, Writer::Attention(_)));
        let mut sums: BTreeMap<Unit, f64> = BTreeMap::new();
        for (edge, score) in &self.scores {
            let unit = match edge.from {
                Writer::Head(id) => Unit::Head(id),
                Writer::Attention(layer) | Writer::Mlp(layer) if whole => Unit::Layer(layer),
                _ => continue,
            };
            *sums.entry(unit).or_default() += f64::from(*score);
        }
        let scores = sums.into_iter().map(|(unit, sum)| (unit, sum as f32)).collect();
        UnitScores { convention: self.convention, scores }
    }

    /// The sum of both, edge by edge.
    ///
    /// # Errors
    /// [`AttribError::Unlike`] for scores of other edges.
    pub fn merge(mut self, other: &Self) -> Result<Self, AttribError> {
        let edges = |own: &Self| own.scores.iter().map(|(edge, _)| *edge).collect::<Vec<_>>();
        if self.convention != other.convention || edges(&self) != edges(other) {
            return Err(AttribError::Unlike);
        }
        self.scores.iter_mut().zip(&other.scores).for_each(|((_, sum), (_, more))| *sum += more);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> EdgeScores {
        let (head, group) = (HeadId::new(0, 1), KvGroupId::new(1, 0));
        let edges = [
            (Writer::Embedding, Reader::Query(head), 1.0),
            (Writer::Head(head), Reader::Key(group), -3.0),
            (Writer::Head(head), Reader::Value(group), 2.0),
            (Writer::Attention(1), Reader::Mlp(1), 0.0),
            (Writer::Mlp(1), Reader::Logits, -1.0),
        ];
        let scores = edges.into_iter().map(|(from, to, score)| (Edge { from, to }, score));
        EdgeScores { convention: Convention::BiasCarried, scores: scores.collect() }
    }

    #[test]
    fn names_of_edges_stay() {
        let names: Vec<String> = scores().scores.iter().map(|(e, _)| e.to_string()).collect();
        let expected = [
            "embedding → L0H1.q",
            "L0H1 → L1G0.k",
            "L0H1 → L1G0.v",
            "L1.attention → L1.mlp",
            "L1.mlp → logits",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn scores_are_ranked_by_size_and_add_up() {
        let own = scores();
        let ranked: Vec<f32> = own.ranked().into_iter().map(|(_, score)| score).collect();
        assert_eq!(ranked, [-3.0, 2.0, 1.0, -1.0, 0.0]);
        let head = HeadId::new(0, 1);
        assert_eq!(own.out_of(Writer::Head(head)), -1.0);
        // The MLP of layer 1 counts to the layer because attention is scored as a whole.
        assert_eq!(own.units().scores, [(Unit::Head(head), -1.0), (Unit::Layer(1), -1.0)]);
        let edge = Edge { from: Writer::Embedding, to: Reader::Logits };
        assert!(matches!(own.get(edge), Err(AttribError::NotScored { .. })));
        let twice = own.clone().merge(&own).unwrap();
        assert_eq!(twice.scores[1].1, -6.0);
        let fewer = EdgeScores { scores: own.scores[1..].to_vec(), ..own.clone() };
        assert!(matches!(own.merge(&fewer), Err(AttribError::Unlike)));
    }
}
