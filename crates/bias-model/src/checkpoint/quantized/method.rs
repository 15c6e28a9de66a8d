use std::fmt;

use serde_json::Value;

/// How the weights of a folder are quantized: what `quantization_config` says, as far as reading
/// them depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `fp8`: F8_E4M3, with a `weight_scale_inv` for every block, or for all of a matrix.
    Fp8 { block: Option<[usize; 2]> },
    /// `compressed-tensors`: bytes with a `weight_scale`.
    Compressed { integers: bool, strategy: Strategy },
    /// `compressed-tensors` in words of 32 bits; `group` inputs share a scale, or all of them.
    Packed { bits: u32, group: Option<usize>, zeros: bool },
    /// `mxfp4`
    Mxfp4,
    /// `gptq`; `group` inputs share a scale, or all of them.
    Gptq { bits: u32, group: Option<usize>, one_less: bool },
    /// `awq`
    Awq { group: Option<usize> },
    /// `bitsandbytes`, with 4 or with 8 bits
    Bitsandbytes { four: bool },
}

/// What has a scale of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Tensor,
    Channel,
    Block([usize; 2]),
}

/// The key of a `config.json` that says so.
pub(crate) const KEY: &str = "quantization_config";

/// What to do about a form that is not read.
pub(super) const WAY_OUT: &str =
    "use the unquantized checkpoint, or dequantize it with the library that wrote it and save it";

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp8 { .. } => "fp8",
            Self::Compressed { .. } | Self::Packed { .. } => "compressed-tensors",
            Self::Mxfp4 => "mxfp4",
            Self::Gptq { .. } => "gptq",
            Self::Awq { .. } => "awq",
            Self::Bitsandbytes { .. } => "bitsandbytes",
        })
    }
}

/// Two sizes of at least 1.
pub(super) fn block(value: &Value) -> Option<[usize; 2]> {
    let size =
        |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    let own: Vec<usize> = value.as_array()?.iter().filter_map(size).collect();
    own.try_into().ok()
}
