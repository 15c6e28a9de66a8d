//! Scores as arrays of the crate ndarray (feature `ndarray-views`).

use ndarray::{Array1, ArrayView2, aview2};

use crate::scores::{ParamScores, UnitScores};

impl ParamScores {
    /// The scores as an `[out, in]` array, without a copy.
    ///
    /// ```
    /// use bias_types::{Convention, ParamPath, ParamScores, Projection};
    ///
    /// let path = ParamPath::of(0, Projection::Up);
    /// let scores = ParamScores::new(path, [2, 3], Convention::Importance, vec![0., 1., 2., 3., 4., 5.])?;
    /// assert_eq!(scores.view()[[1, 0]], 3.0);
    /// assert_eq!(scores.view().rows().into_iter().map(|row| row.sum()).collect::<Vec<_>>(), [3.0, 12.0]);
    /// # Ok::<(), bias_types::TypesError>(())
    /// ```
    #[must_use]
    pub fn view(&self) -> ArrayView2<'_, f32> {
        // The values fill the shape. Only a shape without values can be one that ndarray refuses.
        ArrayView2::from_shape(self.shape(), self.values())
            .unwrap_or_else(|_| aview2::<f32, 0>(&[]))
    }
}

impl UnitScores {
    /// A copy of the scores without their units, in the order of [`scores`](Self::scores).
    #[must_use]
    pub fn to_array(&self) -> Array1<f32> {
        self.scores.iter().map(|(_, score)| *score).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeadId, ParamPath, Projection, Unit};
    use crate::scores::Convention;

    #[test]
    fn a_view_is_the_scores_where_they_lie() {
        let path = ParamPath::of(1, Projection::Down);
        let values: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let scores =
            ParamScores::new(path.clone(), [3, 2], Convention::Importance, values).unwrap();
        let view = scores.view();
        assert_eq!((view.shape(), view[[2, 1]]), (&[3, 2][..], 5.0));
        assert!(std::ptr::eq(view.as_ptr(), scores.values().as_ptr()));
        let none =
            ParamScores::new(path, [usize::MAX, 0], Convention::Importance, Vec::new()).unwrap();
        assert!(none.view().is_empty());
    }

    #[test]
    fn units_keep_their_order() {
        let unit = |head| Unit::Head(HeadId::new(0, head));
        let scores = vec![(unit(1), 2.0), (unit(0), -1.0)];
        let scores = UnitScores { convention: Convention::BiasCarried, scores };
        assert_eq!(scores.to_array().to_vec(), [2.0, -1.0]);
    }
}
