use std::ops::Range;

use bias_cube::matmul;
use bias_types::TokenRole;
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::answer_tree::AnswerTree;
use crate::contrast::prompt_case::Contrast;
use crate::error::AttribError;

/// A's prompts with B's answers, from which B's runs are patched. Both then have the same answer
/// tokens, which pair one to one.
pub(crate) fn donors<'a>(
    contrast: &Contrast,
    receivers: &[AnswerTree<'a>],
) -> Result<Vec<AnswerTree<'a>>, AttribError> {
    let donor = |receiver: &AnswerTree<'a>| {
        let AnswerTree { index, answers, scale, .. } = *receiver;
        Ok(AnswerTree::new(index, &contrast.a[index].prompt, answers, scale)?)
    };
    receivers.iter().map(donor).collect()
}

/// The pairing of each receiver's tokens with its donor's tokens.
///
/// Both consist of the same parts: prompt, name, prompt, answer, …. In parts of equal length,
/// tokens are paired one to one. If one name is longer than the other, the means over both parts
/// are compared, and the whole part is shifted by their difference.
pub(crate) struct TokenPairing<B: Backend> {
    /// `[rows, width of the receivers, width of the donors]`
    donors: Tensor<B, 3>,
    /// `[rows, width of the receivers, width of the receivers]`
    receivers: Tensor<B, 3>,
}

impl<B: Backend> TokenPairing<B> {
    pub(crate) fn new(
        donors: &[AnswerTree<'_>],
        receivers: &[AnswerTree<'_>],
        device: &B::Device,
    ) -> Result<Self, AttribError> {
        let width =
            |trees: &[AnswerTree<'_>]| trees.iter().map(|t| t.sequence.len()).max().unwrap_or(0);
        let (rows, from, to) = (receivers.len(), width(donors), width(receivers));
        let (mut left, mut right) = (vec![0f32; rows * to * from], vec![0f32; rows * to * to]);
        for (row, (donor, receiver)) in donors.iter().zip(receivers).enumerate() {
            let (ours, theirs) = (parts(receiver.sequence.roles()), parts(donor.sequence.roles()));
            if !ours.iter().map(|(role, _)| role).eq(theirs.iter().map(|(role, _)| role)) {
                return Err(AttribError::Unaligned { index: receiver.index });
            }
            for ((_, own), (_, other)) in ours.into_iter().zip(theirs) {
                for (i, token) in own.clone().enumerate() {
                    let weigh = |matrix: &mut Vec<f32>, width: usize, part: &Range<usize>| {
                        let cells = &mut matrix[(row * to + token) * width..][..width];
                        if own.len() == other.len() {
                            cells[part.start + i] = 1.0;
                        } else {
                            cells[part.clone()].fill(1.0 / part.len() as f32);
                        }
                    };
                    weigh(&mut left, from, &other);
                    weigh(&mut right, to, &own);
                }
            }
        }
        let tensor =
            |values, width| Tensor::from_data(TensorData::new(values, [rows, to, width]), device);
        Ok(Self { donors: tensor(left, from), receivers: tensor(right, to) })
    }

    /// The donors' activations less the receivers' at each of the receivers' tokens,
    /// `[rows, width of the receivers, channels]`; zero at padding.
    pub(crate) fn difference(&self, donors: Tensor<B, 3>, receivers: Tensor<B, 3>) -> Tensor<B, 3> {
        matmul(self.donors.clone(), donors) - matmul(self.receivers.clone(), receivers)
    }
}

/// Runs of tokens of one role.
fn parts(roles: &[TokenRole]) -> Vec<(TokenRole, Range<usize>)> {
    let mut start = 0;
    let runs = roles.chunk_by(|a, b| a == b).map(|run| {
        start += run.len();
        (run[0], start - run.len()..start)
    });
    runs.collect()
}
