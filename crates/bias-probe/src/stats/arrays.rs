//! Statistics as arrays of the crate ndarray (feature `ndarray-views`).

use bias_types::{Site, TokenRole};
use ndarray::{Array2, Array3, ArrayView1, Axis, aview1};

use super::channel_stats::{ChannelStats, GroupStats, ROLES};

impl ChannelStats {
    /// Sum of the weights of the tokens at a site: `[groups, roles]`, with roles in the order of
    /// [`TokenRole::REAL`]. `None` if the site was not observed.
    #[must_use]
    pub fn counts(&self, site: Site) -> Option<Array2<f64>> {
        Some(self.gather(site, |own| vec![own.count()])?.remove_axis(Axis(2)))
    }

    /// `Σ w·x` of every channel, `[groups, roles, channels]`, as in the [file](Self::save).
    #[must_use]
    pub fn sums(&self, site: Site) -> Option<Array3<f64>> {
        self.gather(site, |own| own.sum().to_vec())
    }

    /// `Σ w·x²` of every channel, `[groups, roles, channels]`.
    #[must_use]
    pub fn squares(&self, site: Site) -> Option<Array3<f64>> {
        self.gather(site, |own| own.squares().to_vec())
    }

    /// The mean of every channel over tokens of all roles, `[groups, channels]`; 0 without tokens.
    ///
    /// ```
    /// use bias_probe::stats::ChannelStats;
    /// use bias_types::Site;
    ///
    /// /// How far apart two groups are on average, channel by channel.
    /// fn apart(stats: &ChannelStats, site: Site) -> Option<ndarray::Array1<f64>> {
    ///     let means = stats.means(site)?;
    ///     Some(&means.row(0) - &means.row(1))
    /// }
    /// ```
    #[must_use]
    pub fn means(&self, site: Site) -> Option<Array2<f64>> {
        let rows: Option<Vec<Vec<f64>>> =
            (0..self.groups().len()).map(|group| Some(self.of(site, group)?.mean())).collect();
        let (rows, groups) = (rows?, self.groups().len());
        let channels = rows.first().map_or(0, Vec::len);
        Array2::from_shape_vec((groups, channels), rows.concat()).ok()
    }

    /// Gathers an array from the sums of every group and role.
    fn gather(&self, site: Site, of: impl Fn(&GroupStats) -> Vec<f64>) -> Option<Array3<f64>> {
        let groups = self.groups().len();
        let each = (0..groups).flat_map(|group| TokenRole::REAL.map(|role| (group, role)));
        let parts: Option<Vec<Vec<f64>>> =
            each.map(|(group, role)| Some(of(&self.of_roles(site, group, &[role])?))).collect();
        let parts = parts?;
        let channels = parts.first().map_or(0, Vec::len);
        Array3::from_shape_vec((groups, ROLES, channels), parts.concat()).ok()
    }
}

impl GroupStats {
    /// [`sum`](Self::sum) as an array, without a copy.
    #[must_use]
    pub fn sum_view(&self) -> ArrayView1<'_, f64> {
        aview1(self.sum())
    }

    /// [`squares`](Self::squares) as an array, without a copy.
    #[must_use]
    pub fn squares_view(&self) -> ArrayView1<'_, f64> {
        aview1(self.squares())
    }

    /// [`max`](Self::max) as an array, without a copy; empty unless it was collected.
    #[must_use]
    pub fn max_view(&self) -> ArrayView1<'_, f64> {
        aview1(self.max())
    }
}
