use std::collections::BTreeMap;

use bias_types::Site;

use crate::error::ProbeError;

/// Sites that were asked for, and which of them were reached.
#[derive(Debug, Clone)]
pub(crate) struct WantedSites(BTreeMap<Site, bool>);

impl WantedSites {
    pub(crate) fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        Self(sites.into_iter().map(|s| (s, false)).collect())
    }

    pub(crate) fn contains(&self, site: Site) -> bool {
        self.0.contains_key(&site)
    }

    pub(crate) fn fired(&mut self, site: Site) {
        if let Some(fired) = self.0.get_mut(&site) {
            *fired = true;
        }
    }

    pub(crate) fn check(&self) -> Result<(), ProbeError> {
        let sites: Vec<Site> =
            self.0.iter().filter(|(_, fired)| !**fired).map(|(site, _)| *site).collect();
        if sites.is_empty() { Ok(()) } else { Err(ProbeError::NeverFired { sites }) }
    }
}
