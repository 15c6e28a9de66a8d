//! The command `bias`: audit a language model for bias, find what carries it, prune that, and audit again.
//!
//! Use the command, not this library, unless you write a program beside it: the arguments that its subcommands share,
//! and the way a device is named and opened, are here for such programs. To measure or prune a model from your own
//! code, use the crate that owns the step: [`bias_study`], [`bias_model`], [`bias_attrib`], [`bias_mask`].
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
//! let args = Args::parse_from(["mine", "--model", "no-such-folder", "--samples", "20"]);
//! assert_eq!(args.model.samples, Some(20));
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`app`] | the command line: subcommands, help, completions, manual |
//! | commands | a file for each subcommand |
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

pub mod app;
pub mod args;
mod commands;
pub mod device;
pub mod embedded;
pub mod failure;
pub mod files;
