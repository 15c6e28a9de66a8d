//! The roles of a prompt's tokens, the group and context of the person it is about, and the scale
//! on which answers are summarised.
//!
//! | file | words |
//! |---|---|
//! | group | [`Group`], [`Context`]: who and where |
//! | [`thought`] | what a model thinks before it answers |
//! | scale | [`Scale`]: what a distribution over answers is summed up by |
//! | token_role | [`TokenRole`]: what a token is in the prompt |
//! | token_set | [`TokenSet`]: a set of tokens |

mod group;
mod scale;
pub mod thought;
mod token_role;
mod token_set;

pub use self::group::{Context, Group};
pub use self::scale::Scale;
pub use self::token_role::TokenRole;
pub use self::token_set::TokenSet;
