use jiff::Timestamp;

/// Who answered in a run, and when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The models that responses name, in the order in which they came, with their number.
    pub models: Vec<(String, u64)>,
    /// The same for the server's configuration (`system_fingerprint`).
    pub fingerprints: Vec<(String, u64)>,
    /// When the first response came.
    pub first: Option<Timestamp>,
    /// When the last one came.
    pub last: Option<Timestamp>,
    /// Responses that were taken from the record.
    pub from_record: u64,
    /// Responses that came in this run.
    pub asked: u64,
}

impl Seen {
    pub(crate) fn add(
        &mut self,
        model: Option<&str>,
        fingerprint: Option<&str>,
        at: Timestamp,
        from_record: bool,
    ) {
        for (all, own) in [(&mut self.models, model), (&mut self.fingerprints, fingerprint)] {
            let Some(own) = own else { continue };
            match all.iter_mut().find(|(known, _)| known == own) {
                Some((_, count)) => *count += 1,
                None => all.push((own.into(), 1)),
            }
        }
        self.first = Some(self.first.map_or(at, |own| own.min(at)));
        self.last = Some(self.last.map_or(at, |own| own.max(at)));
        match from_record {
            true => self.from_record += 1,
            false => self.asked += 1,
        }
    }

    /// A line about a model or a configuration that changed within the run.
    #[must_use]
    pub fn changed(&self) -> Option<String> {
        let list = |all: &[(String, u64)]| {
            let each = all.iter().map(|(own, count)| format!("{own} ({count})"));
            each.collect::<Vec<_>>().join(", ")
        };
        let parts = [
            ("the model", &self.models),
            ("the server's configuration (system_fingerprint)", &self.fingerprints),
        ];
        let parts = parts.into_iter().filter(|(_, all)| all.len() > 1);
        let parts: Vec<String> =
            parts.map(|(what, all)| format!("{what}: {}", list(all))).collect();
        (!parts.is_empty()).then(|| {
            format!(
                "not all answers are of one model: what answered changed within the run; {}",
                parts.join("; ")
            )
        })
    }
}
