//! The roles of a prompt's tokens, the group and context of the person it is about, and the scale
//! on which answers are summarised.
//!
//! | file | words |
//! |---|---|
//! | group | [`Group`], [`Context`]: the person's group, and the situation |
//! | scale | [`Scale`]: how a distribution over answers becomes one number |
//! | token_role | [`TokenRole`]: the part of the prompt that a token belongs to |
//! | token_set | [`TokenSet`]: a set of tokens |

mod group;
mod scale;
mod token_role;
mod token_set;

pub use self::group::{Context, Group};
pub use self::scale::Scale;
pub use self::token_role::TokenRole;
pub use self::token_set::TokenSet;
