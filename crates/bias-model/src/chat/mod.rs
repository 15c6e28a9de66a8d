//! Chat templates, rendered as transformers renders them: [`ChatTemplate`] turns [`Message`]s into the text that a model
//! reads. [`Date`] is `time`'s, for templates that ask what day it is.
//!
//! | file | what for |
//! |---|---|
//! | template | [`ChatTemplate`]: compiled, and rendered |
//! | message | [`Message`] |
//! | special_tokens | [`SpecialTokens`] |
//! | folder | which template of a model folder is used |
//! | source | what is rewritten in a template before it is compiled |
//! | program | compiled templates, with our operators in them |
//! | operators, values, show | Python's operators, lists, dicts, `str` and `repr` |
//! | filters, rounding, json, formats | what stands after `|` |
//! | kinds | what stands after `is` |
//! | methods, arguments, strings | methods of Python's texts, lists and dicts |
//! | functions, dates | `raise_exception`, `strftime_now` and the like |
//! | limits | what a template may take |

mod arguments;
mod dates;
mod filters;
mod folder;
mod formats;
mod functions;
mod json;
mod kinds;
mod limits;
pub(crate) mod message;
mod methods;
mod operators;
mod program;
mod rounding;
mod show;
mod source;
pub(crate) mod special_tokens;
mod strings;
pub(crate) mod template;
mod values;

pub use time::Date;

pub use self::message::Message;
pub use self::special_tokens::SpecialTokens;
pub use self::template::ChatTemplate;
