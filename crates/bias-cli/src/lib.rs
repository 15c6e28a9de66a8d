//! The common parts of the subcommands of `bias`: arguments, devices, and the end of a program.
//!
//! `bias` audits a language model for bias, finds the parts that carry it, prunes them, and audits
//! again. Use the command, not this library, unless you write a program with the same arguments for
//! models and devices. To measure or prune a model from your own code, use the crate of that step:
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
//! | [`args`] | groups of arguments that several commands share |
//! | [`device`] | `--device`: names of devices, and whether they are present |
//! | [`embedded`](mod@embedded) | the models and texts of the repository, for commands without a named model |
//! | [`files`] | files that commands read and write |
//! | [`failure`] | the end of a program |
//!
//! | feature | |
//! |---|---|
//! | `hosted` (default) | `bias audit --hosted`: models behind an HTTP interface |
//! | `hub` (default) | `--model org/name`: models of the Hugging Face hub and its cache |
//! | `ndarray` | `--device ndarray`, burn's other CPU backend |
//! | `cuda` | `--device cuda`: NVIDIA GPUs |
//! | `remote` | `--device remote:ws://HOST:PORT/TOKEN`, and `bias serve` |

pub mod args;
pub mod device;
pub mod embedded;
pub mod failure;
pub mod files;
