use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::ir::{OperationIr, TensorId, TensorIr, TensorStatus};

/// The memory that the tensors of all clients may take together.
#[derive(Debug)]
pub(super) struct Pool {
    most: u64,
    used: Mutex<u64>,
}

impl Pool {
    pub(super) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, used: Mutex::new(0) })
    }

    fn used(&self) -> MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the tensors of one client take, by what it says of them. Views count as if they were copies,
/// so that it is rather too much than too little. Everything is given back when it ends.
pub(super) struct Account {
    pool: Arc<Pool>,
    held: HashMap<TensorId, u64>,
}

impl Account {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, held: HashMap::new() }
    }

    /// Takes room for a tensor of so many bytes, in the place of one of the same name.
    pub(super) fn take(&mut self, id: TensorId, bytes: u64) -> Result<(), String> {
        self.give_back(id);
        let mut used = self.pool.used();
        let (others, most) = (*used, self.pool.most);
        let Some(all) = others.checked_add(bytes).filter(|all| *all <= most) else {
            return Err(format!(
                "a tensor of {bytes} bytes has no room: this server lends {most} bytes, of which \
                 {others} are taken (`bias serve --memory`)"
            ));
        };
        *used = all;
        drop(used);
        self.held.insert(id, bytes);
        Ok(())
    }

    /// Takes room for what an operation makes.
    pub(super) fn begin(&mut self, operation: &OperationIr) -> Result<(), String> {
        for made in operation.outputs() {
            self.take(made.id, bytes(made))?;
        }
        Ok(())
    }

    /// Gives back what an operation has used up.
    pub(super) fn end(&mut self, operation: &OperationIr) {
        let drops = matches!(operation, OperationIr::Drop(_));
        for used in operation.inputs() {
            if drops {
                self.give_back(used.id);
            } else {
                self.read(used);
            }
        }
    }

    /// Gives back a tensor that is read for the last time.
    pub(super) fn read(&mut self, tensor: &TensorIr) {
        if tensor.status == TensorStatus::ReadWrite {
            self.give_back(tensor.id);
        }
    }

    fn give_back(&mut self, id: TensorId) {
        if let Some(bytes) = self.held.remove(&id) {
            *self.pool.used() -= bytes;
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        *self.pool.used() -= self.held.values().sum::<u64>();
    }
}

/// The bytes of a tensor; as many as there can be where they are too many to count.
fn bytes(tensor: &TensorIr) -> u64 {
    let each = tensor.dtype.size().max(1) as u64;
    let all = tensor.shape.iter().try_fold(each, |all, side| all.checked_mul(*side as u64));
    all.unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::{DType, Shape};

    use super::*;

    #[test]
    fn no_client_takes_more_than_there_is() {
        let pool = Pool::new(100);
        let id = TensorId::new;
        let (mut one, mut other) = (Account::new(pool.clone()), Account::new(pool.clone()));
        one.take(id(1), 60).unwrap();
        // Another client's tensor of the same name is another tensor.
        other.take(id(1), 40).unwrap();
        let refused = one.take(id(2), 1).unwrap_err();
        assert!(refused.contains("100 are taken") && refused.contains("--memory"), "{refused}");
        one.take(id(1), 30).unwrap();
        other.take(id(2), 30).unwrap();
        other.give_back(id(7));
        drop(one);
        assert_eq!(*pool.used(), 70);
        drop(other);
        assert_eq!(*pool.used(), 0);
        let huge = TensorIr::uninit(id(1), Shape::new([usize::MAX, 8]), DType::F32);
        assert_eq!(bytes(&huge), u64::MAX);
        assert!(Account::new(pool).take(id(1), bytes(&huge)).is_err());
    }
}
