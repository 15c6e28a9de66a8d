//! The target that the variable `BIAS_FUZZ_TARGET` names, under libFuzzer (scripts/fuzz.sh).
#![no_main]

use std::sync::LazyLock;

use bias_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("BIAS_FUZZ_TARGET").unwrap_or_default();
    let known = TARGETS.iter().map(|own| own.name).collect::<Vec<_>>().join(", ");
    let found = TARGETS.iter().find(|own| own.name == name);
    found.unwrap_or_else(|| panic!("BIAS_FUZZ_TARGET is `{name}`; there are {known}"))
});

fuzz_target!(|bytes: &[u8]| {
    (TARGET.run)(bytes);
});
