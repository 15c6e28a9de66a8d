//! Does a change of the model generalise? A protocol that is fixed before it runs: what attribution
//! sees, where it is tested, how much damage it may do, what it is compared with, and what the
//! numbers then say of four claims. docs/method.md has the rules.
//!
//! ```no_run
//! use bias_model::LanguageModel;
//! use bias_study::generalize::Protocol;
//! use bias_study::report::generalization_tables;
//! use bias_study::results::Attribute;
//! use bias_study::{PromptSet, Study, StudyOptions};
//! use burn::backend::{Autodiff, Flex};
//!
//! let folder = std::path::Path::new("fixtures/emergent");
//! let race = Attribute::before("race", "_");
//! let asked = PromptSet::from_csv(&folder.join("prompts.csv"), &race, ["white", "black"])?;
//! let protocol = Protocol::new(&asked);
//! // The same questions in other formats are asked as contexts of their own.
//! let prompts = protocol.prompts(&asked)?;
//! let model = LanguageModel::load(folder, &Default::default())?;
//! let neutral = std::fs::read_to_string(folder.join("neutral.txt")).unwrap_or_default();
//! let neutral = neutral.lines().map(str::to_owned).collect();
//! let options = StudyOptions { neutral, ..StudyOptions::default() };
//! let mut study = Study::<Autodiff<Flex>>::new(model, "emergent", &prompts, options)?;
//! println!("{}", generalization_tables(&study.generalize(&protocol)?));
//! # Ok::<(), bias_study::StudyError>(())
//! ```

mod assemble;
mod change;
mod claims;
mod conditions;
mod damage;
mod dial;
mod forecast;
mod formats;
mod gap;
mod gated;
mod jobs;
mod kept;
mod name_check;
mod outcomes;
mod protocol;
mod seen;
mod work;

pub use self::forecast::Effort;
pub use self::protocol::Protocol;
