use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Value, tests};

use super::functions::is_callable;
use super::show::text;
use super::strings::{is_lower, is_upper};
use super::values::{Dict, is, is_list};
use crate::limits::{fail, undefined};

/// The tests of Jinja, written `value is ..`.
pub(crate) fn install(environment: &mut Environment<'_>) {
    let e = environment;
    for name in ["eq", "equalto", "=="] {
        e.add_test(name, tests::is_eq);
    }
    for name in ["ne", "!="] {
        e.add_test(name, tests::is_ne);
    }
    for name in ["lt", "lessthan", "<"] {
        e.add_test(name, tests::is_lt);
    }
    for name in ["le", "<="] {
        e.add_test(name, tests::is_le);
    }
    for name in ["gt", "greaterthan", ">"] {
        e.add_test(name, tests::is_gt);
    }
    for name in ["ge", ">="] {
        e.add_test(name, tests::is_ge);
    }
    e.add_test("undefined", tests::is_undefined);
    e.add_test("defined", tests::is_defined);
    e.add_test("none", tests::is_none);
    e.add_test("escaped", tests::is_safe);
    e.add_test("boolean", tests::is_boolean);
    e.add_test("true", tests::is_true);
    e.add_test("false", tests::is_false);
    e.add_test("float", tests::is_float);
    e.add_test("string", tests::is_string);
    e.add_test("sameas", tests::is_sameas);
    e.add_test("in", tests::is_in);
    e.add_test("filter", tests::is_filter);
    e.add_test("test", tests::is_test);
    e.add_test("callable", is_callable);
    e.add_test("mapping", is::<Dict>);
    // Jinja takes a bool for a number, though not for an integer.
    e.add_test("integer", tests::is_integer);
    e.add_test("number", |v: &Value| v.is_number() || v.kind() == ValueKind::Bool);
    e.add_test("iterable", |v: &Value| {
        v.as_str().is_some() || !v.is_none() && v.try_iter().is_ok()
    });
    e.add_test("sequence", |v: &Value| {
        v.as_str().is_some() || v.is_undefined() || is_list(v) || is::<Dict>(v)
    });
    e.add_test("lower", |v: &Value| is_lower(&text(v)));
    e.add_test("upper", |v: &Value| is_upper(&text(v)));
    e.add_test("odd", |v: &Value| divides(v, 2).map(|even| !even));
    e.add_test("even", |v: &Value| divides(v, 2));
    e.add_test("divisibleby", |v: &Value, by: i64| divides(v, by));
}

fn divides(value: &Value, by: i64) -> Result<bool, Error> {
    if value.is_undefined() {
        return Err(undefined());
    }
    let rest = i128::try_from(value.clone())?.checked_rem(i128::from(by));
    rest.map(|rest| rest == 0).ok_or_else(|| fail("division by zero"))
}
