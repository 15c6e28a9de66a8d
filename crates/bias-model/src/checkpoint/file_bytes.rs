/// Bytes of one of a checkpoint's files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileBytes<'a> {
    /// The number of the file.
    pub file: usize,
    pub data: &'a [u8],
}
