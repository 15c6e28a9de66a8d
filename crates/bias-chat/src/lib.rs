//! Chat templates, rendered as transformers renders them.
//!
//! A chat template is a program in Jinja that comes with a model. It writes a conversation as the
//! model was taught to read it. Python's `apply_chat_template` runs it with Jinja2, in Python; this
//! crate runs it in Rust and writes the same bytes. Use it when the text has to be exactly what
//! transformers gives, or when templates come from strangers: whatever a template does, it ends
//! with a text of at most 4 MiB, or with an error. Not for templates in general: of Jinja it has
//! what chat templates use.
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
//! Conversations go in, text comes out: no files, no tokenizer, no model. minijinja parses and runs
//! the templates. Its own operators differ from Python's here and there, have no limit on what they
//! allocate, and cannot be replaced from outside; so each compiled template is rewritten to call
//! ours (`engine`). That takes minijinja's `unstable_machinery`, which may change with any minor
//! version: its version is bounded here, and here only. No type of minijinja is in the interface.
//!
//! | file or room | what for |
//! |---|---|
//! | template | [`ChatTemplate`]: compiled, rendered, continued |
//! | message, special_tokens | [`Message`], [`SpecialTokens`]: what a template is told |
//! | error | [`ChatError`] |
//! | engine | minijinja with our operators |
//! | python | Python's operators, filters, methods and functions |
//! | limits | what a template may take |

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
