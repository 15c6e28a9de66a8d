/// One table with what it needs to be read.
pub(super) struct Section {
    pub title: String,
    pub note: String,
    pub header: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// The number of columns with words.
    pub labels: usize,
    /// Whether a page shows it; all others are for the page of details.
    pub is_first: bool,
}

/// A limit of damage in words.
pub(super) fn nats(limit: f64) -> String {
    format!("{limit} nats")
}
