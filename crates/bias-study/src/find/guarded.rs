use bias_attrib::AttribError;
use bias_attrib::guard::{Cost, Guard};

/// The share of weights, or of channels, that guards leave out.
const SPARED: f64 = 0.01;
/// The share of the mean price below which a price is not believed.
const FLOOR: f64 = 0.1;
/// How many deviations of the gap a nat of neutral log-loss is worth.
const NAT: f64 = 10.0;

/// The guard of guarded methods: it leaves out the 1 % of weights with the largest first-order cost,
/// and those that read the 1 % of channels with the largest norms.
pub(super) fn usual_guard() -> Result<Guard, AttribError> {
    Ok(Guard::sparing(Cost::FirstOrder, SPARED)?.and(Guard::sparing_channels(SPARED)?))
}

/// Makes a guard.
pub(super) type Rule = fn() -> Result<Guard, AttribError>;

/// The guards of the signed gap, each with its method's name and description: the usual one, and
/// each of its rules and prices alone, to see what a rule is worth.
pub(super) fn guards() -> [(&'static str, &'static str, Rule); 9] {
    [
        (
            "signed-gap-guarded",
            "the signed gap of weights that neutral text does not need",
            usual_guard,
        ),
        (
            "signed-gap-sparing-first-order",
            "the signed gap without the 1 % of weights with the largest slope on neutral text",
            || Guard::sparing(Cost::FirstOrder, SPARED),
        ),
        (
            "signed-gap-sparing-second-order",
            "the same without those with the largest Fisher information on neutral text",
            || Guard::sparing(Cost::SecondOrder, SPARED),
        ),
        (
            "signed-gap-sparing-output",
            "the same without those that move their matrix's output most",
            || Guard::sparing(Cost::Output, SPARED),
        ),
        (
            "signed-gap-sparing-channels",
            "the same without those that read the 1 % of channels with the largest norms",
            || Guard::sparing_channels(SPARED),
        ),
        (
            "signed-gap-less-first-order",
            "the signed gap less ten times the slope on neutral text",
            || Guard::discounting(Cost::FirstOrder, NAT),
        ),
        (
            "signed-gap-less-second-order",
            "the signed gap less ten times the second-order price on neutral text",
            || Guard::discounting(Cost::SecondOrder, NAT),
        ),
        (
            "signed-gap-per-second-order",
            "the signed gap for each second-order price on neutral text",
            || Guard::per(Cost::SecondOrder, FLOOR),
        ),
        ("signed-gap-per-output", "the signed gap for each change of a matrix's output", || {
            Guard::per(Cost::Output, FLOOR)
        }),
    ]
}
