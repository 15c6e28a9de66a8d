//! What is asked about whom: what a prompt's tokens are, whom it is about and in which context,
//! and the scale its answers are summed up on.
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
