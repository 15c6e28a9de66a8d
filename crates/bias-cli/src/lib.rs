//! What the subcommands of `bias` share: arguments, devices, and how a program ends.
//!
//! `bias` audits a language model for bias, finds what carries it, prunes that, and audits again.
//! Use the command, not this library, unless you write a program that takes models and devices as
//! it does. To measure or prune a model from your own code, use the crate that owns the step:
//! [`bias_study`], [`bias_model`], [`bias_attrib`], [`bias_mask`].
//!
//! ```
//! use bias_cli::args::model::ModelArgs;
//! use clap::Parser;
//!
//! /// A program that takes a model as `bias audit` does.
//! #[derive(Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     model: ModelArgs,
//! }
//!
//! let args = Args::parse_from(["mine", "--model", "org/name", "--samples", "20"]);
//! assert_eq!(args.model.samples, Some(20));
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`args`] | groups of arguments that several share |
//! | [`device`] | `--device`: what it names, and whether that is there |
//! | [`embedded`](mod@embedded) | the models and texts of the repository, for commands that are given none |
//! | [`files`] | files that commands read and write |
//! | [`failure`] | how a program ends |
//!
//! | feature | |
//! |---|---|
//! | `hub` (default) | `--model org/name`: models of the Hugging Face hub and its cache |
//! | `ndarray` | `--device ndarray`, burn's other CPU backend |
//! | `cuda` | `--device cuda`: NVIDIA GPUs |
//! | `remote` | `--device remote:ws://HOST:PORT`, and `bias serve` |

pub mod args;
pub mod device;
pub mod embedded;
pub mod failure;
pub mod files;
