//! Sums over a cube.

use cubecl::prelude::*;

/// Units of a cube that sums: a power of two.
pub(crate) const UNITS: usize = 256;

/// The sum of every unit's number, in the same order always. All units of the cube have to come
/// here.
#[cube]
pub(crate) fn total<T: Numeric>(held: &mut SharedMemory<T>, number: T) -> T {
    let unit = UNIT_POS_X as usize;
    // What was there before may still be read.
    sync_cube();
    held[unit] = number;
    sync_cube();
    let mut half = comptime!(UNITS / 2).runtime();
    while half > 0 {
        if unit < half {
            let other = held[unit + half];
            held[unit] = held[unit] + other;
        }
        sync_cube();
        half /= 2;
    }
    held[0]
}
