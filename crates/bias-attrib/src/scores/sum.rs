use bias_types::ParamScores;

use crate::error::AttribError;

/// Adds scores of the same matrices, such as those of several variations.
///
/// # Errors
/// [`AttribError::Unlike`] if matrices, shapes or conventions differ, or nothing is given.
pub fn sum_scores<'a>(
    all: impl IntoIterator<Item = &'a [ParamScores]>,
) -> Result<Vec<ParamScores>, AttribError> {
    let mut all = all.into_iter();
    let mut sums: Vec<(&ParamScores, Vec<f32>)> =
        all.next().ok_or(AttribError::Unlike)?.iter().map(|s| (s, s.values().to_vec())).collect();
    for scores in all {
        if scores.len() != sums.len() {
            return Err(AttribError::Unlike);
        }
        for ((first, sum), own) in sums.iter_mut().zip(scores) {
            let alike = first.path() == own.path()
                && first.shape() == own.shape()
                && first.convention() == own.convention();
            if !alike {
                return Err(AttribError::Unlike);
            }
            sum.iter_mut().zip(own.values()).for_each(|(a, b)| *a += b);
        }
    }
    let scores = sums.into_iter().map(|(first, sum)| {
        Ok(ParamScores::new(first.path().clone(), first.shape(), first.convention(), sum)?)
    });
    scores.collect()
}
