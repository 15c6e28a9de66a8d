//! Requests and responses of the three protocols: completions and chat completions as OpenAI's
//! interface has them and many servers speak them, and Anthropic's messages.
//!
//! Fields that are not used are passed over; those that are used must have their form.
//!
//! | file | what for |
//! |---|---|
//! | ask | [`Ask`]: what is asked, as the body of a request |
//! | dialect | [`Dialect`]: the fields that a server does not take |
//! | reply | [`Reply`]: what comes back, whatever the protocol |
//! | parse | bodies of responses to replies |
//! | log_probs | log-probabilities in their forms, and the bytes of tokens |

mod ask;
mod dialect;
mod log_probs;
mod parse;
mod reply;

pub use self::ask::{Ask, Endpoint, Prefill, Prompt};
pub use self::dialect::Dialect;
pub use self::log_probs::{Step, Token};
pub use self::parse::parse;
pub use self::reply::{Choice, End, Reply, Usage};
