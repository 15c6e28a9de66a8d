//! The parts of Python that templates use, with Python's behaviour.
//!
//! | file | what for |
//! |---|---|
//! | operators, values, show | operators, lists and dicts, `str` and `repr` |
//! | filters, rounding, json, formats | filters, after `|` |
//! | kinds | tests, after `is` |
//! | methods, arguments, strings | methods of strings, lists and dicts |
//! | functions, dates | `raise_exception`, `strftime_now` and the like |

pub(crate) mod arguments;
pub(crate) mod dates;
pub(crate) mod filters;
mod formats;
pub(crate) mod functions;
mod json;
pub(crate) mod kinds;
pub(crate) mod methods;
pub(crate) mod operators;
mod rounding;
pub(crate) mod show;
mod strings;
pub(crate) mod values;
