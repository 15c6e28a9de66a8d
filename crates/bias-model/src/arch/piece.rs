/// The place of a linear map: some rows of a module's matrix, and of its bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredRows {
    pub module: &'static str,
    /// The number of rows of the whole matrix, `[out, in]`.
    pub rows: usize,
    /// Row `r` of the map is row `first + (r / run) · stride + r % run` of the matrix.
    pub first: usize,
    pub run: usize,
    pub stride: usize,
}

impl StoredRows {
    /// The whole matrix.
    pub(crate) fn own(module: &'static str, rows: usize) -> Self {
        Self { module, rows, first: 0, run: rows, stride: rows }
    }

    /// `len` consecutive rows from `first` on.
    pub(crate) fn slice(module: &'static str, rows: usize, first: usize, len: usize) -> Self {
        Self { module, rows, first, run: len, stride: len }
    }

    pub(crate) fn row(&self, r: usize) -> usize {
        self.first + r / self.run * self.stride + r % self.run
    }
}

/// A part of a linear map, which is stored by itself. Most maps have one part; those of a mixture
/// of experts have one for each expert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The names of the weight and of the bias within the block.
    pub weight: String,
    pub bias: String,
    pub part: Part,
    /// The number of the matrix in the tensor, and how many are stacked in it, if it has more than
    /// one.
    pub stacked: Option<(usize, usize)>,
    /// Those that are stacked can only be read as one matrix, one below the other.
    pub as_one: bool,
    /// Its first row and column in the map, `[out, in]`.
    pub first: [usize; 2],
}

/// The part of a stored matrix to take, and its layout in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub place: StoredRows,
    /// The number of rows to take, and of columns: `[out, in]`.
    pub shape: [usize; 2],
    /// The file stores it as `[in, out]`.
    pub transposed: bool,
}

impl Part {
    /// The shape of the whole matrix in the file.
    pub(crate) fn stored_shape(&self) -> [usize; 2] {
        let (rows, columns) = (self.place.rows, self.shape[1]);
        if self.transposed { [columns, rows] } else { [rows, columns] }
    }

    /// The index of a weight, by its row and column here, in the whole matrix in the file.
    pub(crate) fn stored_index(&self, row: usize, column: usize) -> usize {
        let row = self.place.row(row);
        if self.transposed { column * self.place.rows + row } else { row * self.shape[1] + column }
    }
}

impl Piece {
    /// A linear map of this shape, `[out, in]`, that is a tensor of its own.
    pub(crate) fn whole(module: &str, shape: [usize; 2]) -> Self {
        Self {
            weight: format!("{module}.weight"),
            bias: format!("{module}.bias"),
            part: Part { place: StoredRows::own("", shape[0]), shape, transposed: false },
            stacked: None,
            as_one: false,
            first: [0, 0],
        }
    }

    /// What to read: the number of the matrix and how many are stacked, and the part of it.
    pub(crate) fn to_read(&self) -> (Option<(usize, usize)>, Part) {
        let Part { place, .. } = self.part;
        match self.stacked {
            Some((at, count)) if self.as_one => {
                let place = StoredRows {
                    rows: place.rows * count,
                    first: place.first + at * place.rows,
                    ..place
                };
                (None, Part { place, ..self.part })
            }
            stacked => (stacked, self.part),
        }
    }

    /// The shape of the tensor in the file.
    pub(crate) fn tensor_shape(&self) -> Vec<usize> {
        if self.as_one {
            return self.stored_shape().to_vec();
        }
        let stacked = self.stacked.map(|(_, count)| count);
        stacked.into_iter().chain(self.part.stored_shape()).collect()
    }

    /// The shape of its bias in the file, and the place of the piece in it.
    pub(crate) fn bias_place(&self) -> (Vec<usize>, StoredRows) {
        let place = self.part.place;
        match self.stacked {
            None => (vec![place.rows], place),
            Some((at, count)) => {
                let own = StoredRows { first: place.first + at * place.rows, ..place };
                (vec![count, place.rows], own)
            }
        }
    }

    /// The shape of the tensor in the file as a matrix, those that are stacked one below the other.
    pub(crate) fn stored_shape(&self) -> [usize; 2] {
        let [rows, columns] = self.part.stored_shape();
        [rows * self.stacked.map_or(1, |(_, count)| count), columns]
    }

    /// The index in the file's tensor of a weight of the map, by its row and column, if the weight
    /// is in this piece.
    pub(crate) fn stored_index(&self, row: usize, column: usize) -> Option<usize> {
        let ([out, inner], [r, c]) = (self.part.shape, self.first);
        let (row, column) = (row.checked_sub(r)?, column.checked_sub(c)?);
        let within = row < out && column < inner;
        let before = self.stacked.map_or(0, |(at, _)| at)
            * self.part.stored_shape().iter().product::<usize>();
        within.then(|| before + self.part.stored_index(row, column))
    }
}
