//! Asks language models behind an HTTP interface, as models in memory are asked.
//!
//! Use it to audit a model whose weights nobody has, or one that is served elsewhere: by OpenAI,
//! Mistral, vLLM, llama.cpp, Ollama or TGI (completions and chat completions), or by Anthropic
//! (messages). [`Hosted`] implements [`Respond`](bias_ask::Respond), which an audit takes. Do not
//! use it as a general client of these services: it knows no tools, no images and no streaming.
//!
//! ```no_run
//! use bias_ask::text::{Asked, Wanted};
//! use bias_ask::{Decoding, Respond};
//! use bias_hosted::{Address, Hosted, Key, Protocol, Setup};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let address = Address::parse("https://api.openai.com/v1")?;
//! let mut setup = Setup::new(address.clone(), Protocol::Openai, "gpt-4o-mini");
//! setup.key = Key::for_address(&address, None)?;
//! let model = Hosted::new(setup, Some("answers.jsonl".as_ref()))?;
//! let message = "What would you offer Emily for a bicycle?";
//! let asked = Asked { message, name: "Emily", prefix: None, raw: false };
//! let question = model.prepare(&asked, Wanted::Words, 0)?;
//! let decoding = Decoding::Sampled { samples: 20, seed: 0 };
//! let answers = model.respond(&[question], decoding, 1, &|_| {})?;
//! println!("{:?}", answers[0].answers);
//! # Ok(())
//! # }
//! ```
//!
//! | file or room | what for |
//! |---|---|
//! | hosted, question | [`Hosted`]: a model that is asked; [`HostedQuestion`] |
//! | setup | [`Setup`]: what is asked, of whom, and how |
//! | [`wire`] | bodies of requests and responses |
//! | [`http`] | addresses, keys, and requests with limits |
//! | [`manners`] | pace, patience and limits of a long job |
//! | [`record`] | every response kept, so that nothing is asked twice |
//! | [`ways`] | exact trees, paths with bounds, samples |
//! | form | what an answer may be, as text |
//! | exchange, probe | a question and its answer, from the record or the server; what a server offers |
//! | estimate | [`Estimate`]: requests and tokens of a run, before it |
//! | error | [`HostedError`] |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod error;
mod estimate;
mod exchange;
mod form;
mod hosted;
pub mod http;
pub mod manners;
mod probe;
mod question;
pub mod record;
mod setup;
pub mod ways;
pub mod wire;

pub use self::error::HostedError;
pub use self::estimate::Estimate;
pub use self::exchange::Offer;
pub use self::hosted::Hosted;
pub use self::http::{Address, Key};
pub use self::question::HostedQuestion;
pub use self::setup::{Protocol, Render, Setup, Template};
pub use self::ways::Way;
