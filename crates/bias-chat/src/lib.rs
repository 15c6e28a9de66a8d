//! Chat templates, rendered as transformers renders them.
//!
//! A chat template is a program in Jinja that comes with a model. It writes a conversation in the
//! form that the model was trained to read. Python's `apply_chat_template` runs it with Jinja2.
//! This crate runs it in Rust and writes the same bytes.
//!
//! Use it when the text must equal that of transformers exactly, or when templates come from
//! strangers: every template ends with a text of at most 4 MiB, or with an error. It is no general
//! template engine: it supports the part of Jinja that chat templates use.
//!
//! ```
//! use bias_chat::{ChatTemplate, Message, SpecialTokens};
//!
//! let source = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}\
//!               {% if add_generation_prompt %}<|assistant|>{% endif %}";
//! let template = ChatTemplate::new(source, SpecialTokens::default().eos("</s>"))?;
//! let text = template.render(&[Message::user("Hello!")], true)?;
//! assert_eq!(text, "<|user|>Hello!</s><|assistant|>");
//! # Ok::<(), bias_chat::ChatError>(())
//! ```
//!
//! # The boundary
//!
//! Conversations go in and text comes out. The crate knows no files, no tokenizer and no model.
//! minijinja parses and runs the templates. Its operators differ from Python's in places, allocate
//! without a limit and cannot be replaced from outside. So each compiled template is rewritten to
//! call our operators (`engine`). That takes minijinja's `unstable_machinery`, which may change
//! with any minor version. This crate alone bounds minijinja's version, and no type of minijinja is
//! in its interface.
//!
//! | file or room | what for |
//! |---|---|
//! | template | [`ChatTemplate`]: compiled, rendered, continued |
//! | message, special_tokens | [`Message`], [`SpecialTokens`]: the input of a template |
//! | error | [`ChatError`] |
//! | engine | minijinja with our operators |
//! | python | Python's operators, filters, methods and functions |
//! | limits | limits on size, depth and work |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod engine;
mod error;
mod limits;
mod message;
mod python;
mod special_tokens;
mod template;

pub use self::error::ChatError;
pub use self::message::Message;
pub use self::special_tokens::SpecialTokens;
pub use self::template::ChatTemplate;
