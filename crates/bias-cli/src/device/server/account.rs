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

/// What a tensor takes besides its numbers: its handle, and its place here.
const EACH: u64 = 512;

impl Account {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, held: HashMap::new() }
    }

    /// Takes room for a tensor of so many bytes, in the place of one of the same name.
    ///
    /// # Errors
    /// No room. Then nothing has changed.
    pub(super) fn take(&mut self, id: TensorId, bytes: u64) -> Result<(), String> {
        let (own, most) = (bytes.saturating_add(EACH), self.pool.most);
        let mut used = self.pool.used();
        let others = *used - self.held.get(&id).copied().unwrap_or(0);
        let Some(all) = others.checked_add(own).filter(|all| *all <= most) else {
            return Err(format!(
                "a tensor of {bytes} bytes has no room: this server lends {most} bytes, of which \
                 {others} are taken (`bias serve --memory`)"
            ));
        };
        *used = all;
        drop(used);
        self.held.insert(id, own);
        Ok(())
    }

    /// Takes room for what an operation makes.
    ///
    /// # Errors
    /// No room for one of them.
    pub(super) fn begin(&mut self, operation: &OperationIr) -> Result<(), String> {
        // It makes nothing: it only speaks of a tensor that was sent.
        if matches!(operation, OperationIr::Init(_)) {
            return Ok(());
        }
        operation.outputs().try_for_each(|made| self.take(made.id, bytes(made)))
    }

    /// Gives back what an operation has used up. What it made in the same place stays.
    pub(super) fn end(&mut self, operation: &OperationIr) {
        let drops = matches!(operation, OperationIr::Drop(_));
        for used in operation.inputs() {
            let again = operation.outputs().any(|made| made.id == used.id);
            if drops {
                self.give_back(used.id);
            } else if !again {
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
    use burn::backend::ir::{BaseOperationIr, CastOpIr, InitOperationIr};
    use burn::tensor::{DType, Shape};

    use super::*;

    const ID: fn(u64) -> TensorId = TensorId::new;

    fn tensor(id: u64, status: TensorStatus, numbers: usize) -> TensorIr {
        TensorIr { status, ..TensorIr::uninit(ID(id), Shape::new([numbers]), DType::F32) }
    }

    #[test]
    fn no_client_takes_more_than_there_is() {
        let pool = Pool::new(2 * EACH + 100);
        let (mut one, mut other) = (Account::new(pool.clone()), Account::new(pool.clone()));
        one.take(ID(1), 60).unwrap();
        // Another client's tensor of the same name is another tensor.
        other.take(ID(1), 40).unwrap();
        for refused in [one.take(ID(2), 0), one.take(ID(1), 61)] {
            let said = refused.unwrap_err();
            assert!(said.contains("are taken") && said.contains("--memory"), "{said}");
        }
        assert_eq!(*pool.used(), pool.most, "what is refused changes nothing");
        one.take(ID(1), 60).unwrap();
        one.take(ID(1), 30).unwrap();
        drop(one);
        assert_eq!(*pool.used(), EACH + 40);
        drop(other);
        assert_eq!(*pool.used(), 0);
        let huge = TensorIr::uninit(ID(1), Shape::new([usize::MAX, 8]), DType::F32);
        assert_eq!(bytes(&huge), u64::MAX);
        assert!(Account::new(pool).take(ID(1), bytes(&huge)).is_err());
    }

    #[test]
    fn operations_give_back_what_they_use_up() {
        let pool = Pool::new(1 << 20);
        let mut own = Account::new(pool.clone());
        let took = |numbers: u64| 4 * numbers + EACH;
        own.take(ID(1), 400).unwrap();
        // Only spoken of, with whatever shape.
        let spoken = InitOperationIr { out: tensor(1, TensorStatus::NotInit, 0) };
        own.begin(&OperationIr::Init(spoken.clone())).unwrap();
        own.end(&OperationIr::Init(spoken));
        assert_eq!(*pool.used(), took(100));
        let into =
            |input, out| OperationIr::BaseFloat(BaseOperationIr::Cast(CastOpIr { input, out }));
        let step = |own: &mut Account, operation: &OperationIr| {
            own.begin(operation).unwrap();
            own.end(operation);
        };
        // Kept, used up, and made in its own place.
        let made = tensor(2, TensorStatus::NotInit, 50);
        step(&mut own, &into(tensor(1, TensorStatus::ReadOnly, 100), made));
        assert_eq!(*pool.used(), took(100) + took(50));
        let made = tensor(3, TensorStatus::NotInit, 50);
        step(&mut own, &into(tensor(1, TensorStatus::ReadWrite, 100), made));
        assert_eq!(*pool.used(), 2 * took(50));
        let again = tensor(3, TensorStatus::NotInit, 50);
        step(&mut own, &into(tensor(3, TensorStatus::ReadWrite, 50), again));
        assert_eq!(*pool.used(), 2 * took(50));
        step(&mut own, &OperationIr::Drop(tensor(2, TensorStatus::ReadWrite, 50)));
        own.read(&tensor(3, TensorStatus::ReadOnly, 50));
        assert_eq!(*pool.used(), took(50));
        own.read(&tensor(3, TensorStatus::ReadWrite, 50));
        assert_eq!(*pool.used(), 0);
    }
}
