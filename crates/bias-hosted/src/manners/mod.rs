//! The manners of a long job: as fast as the server allows, patient with what passes, and never more
//! than was allowed.
//!
//! | file | what for |
//! |---|---|
//! | clock | [`Clock`]: time and chance, so that tests need neither |
//! | pace | [`Pace`]: when the next request may be sent, as the server's headers say |
//! | caps | [`Caps`], [`Spent`]: the most requests and tokens of a run |
//! | patience | [`Patience`]: how often and how long a request is tried again |
//! | sender | [`Sender`]: one request with all of these |

mod caps;
mod clock;
mod pace;
mod patience;
mod sender;

pub use self::caps::{Caps, Spent};
pub use self::clock::{Clock, System};
pub use self::pace::Pace;
pub use self::patience::Patience;
pub use self::sender::Sender;
