//! Whatever a chat template does, it ends: with a text, or with a typed error.

use std::time::{Duration, Instant};

use bias_chat::{ChatTemplate, Message, SpecialTokens};

/// What happens to a template, told a short message: the text, or what the template engine said.
fn outcome(source: &str) -> Result<String, String> {
    let start = Instant::now();
    let rendered = ChatTemplate::new(source, SpecialTokens::default().bos("<s>"))
        .and_then(|template| template.render(&[Message::user("Hello, hello!")], true));
    let took = start.elapsed();
    let brief: String = source.chars().take(100).collect();
    assert!(took < Duration::from_secs(30), "{brief} took {took:?}");
    rendered.map_err(|error| error.to_string())
}

#[test]
fn endless_work_is_refused() {
    let nested = |what: &str| {
        format!("{}{what}{}", "{% for a in range(99999) %}".repeat(4), "{% endfor %}".repeat(4))
    };
    let twice = |what: &str| {
        format!(
            "{{% set ns = namespace(s='ab', l=[1]) %}}{{% for i in range(999) %}}{what}{{% endfor %}}{{{{ ns.s }}}}"
        )
    };
    let raw = "x".repeat(900_000);
    for source in [
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}".to_owned(),
        "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}".into(),
        "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}".into(),
        "{% block a %}{{ self.a() }}{% endblock %}".into(),
        nested(""),
        nested("{{ a }}"),
        nested("{% set x = messages | tojson %}"),
        twice("{% set ns.s = ns.s ~ ns.s %}"),
        twice("{% set ns.s = ns.s + ns.s %}"),
        twice("{% set ns.s = ns.s * 2 %}"),
        twice("{% set ns.s = [ns.s, ns.s] | join %}"),
        twice("{% set ns.s = ns.s.join([ns.s, ns.s]) %}"),
        twice("{% set ns.s = ns.s | replace('a', ns.s) %}"),
        twice("{% set ns.s = ns.s.replace('a', ns.s) %}"),
        twice("{% set ns.s = '%s%s' | format(ns.s, ns.s) %}"),
        twice("{% set ns.s = '{0}{0}'.format(ns.s) %}"),
        twice("{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}"),
        twice("{% set ns.s = '\"' ~ ns.s | tojson | tojson %}"),
        twice("{% set ns.s = ns.s | indent(ns.s | length, true) %}"),
        twice("{% set ns.l = ns.l + ns.l %}{% set ns.s = ns.l | length %}"),
        twice("{% set ns.l = [ns.l, ns.l] %}"),
        twice("{% set ns.l = [ns.l] %}"),
        twice("{% set ns.l = {'a': ns.l} %}"),
        twice("{% set ns.l = ns.l | batch(1) | list %}"),
        twice("{% set ns.l = (ns.l * 2) | map('string') | list %}"),
        twice("{% set ns.l = ns.l | list + range(9999) | list %}"),
        format!("{{% for i in range(99999) %}}{raw}{{% endfor %}}"),
        format!("{{% set x %}}{{% for i in range(99999) %}}{raw}{{% endfor %}}{{% endset %}}"),
        "{% set s = 'a' * 4000000 %}{{ s }}{{ s }}".into(),
        "{{ 'a' * 999999999 }}".into(),
        "{{ ('a' * 999999) * 999999 }}".into(),
        "{{ 'a' * 99999999 * (99999999 ** 2) }}".into(),
        "{{ [1] * 999999999 }}".into(),
        "{{ 'x'.ljust(9999999999) }}".into(),
        "{{ 'x'.zfill(9999999999) }}".into(),
        "{{ 'x'.center(999999999999, 'é') }}".into(),
        "{{ 'x' | center(4000000000) }}".into(),
        "{{ 'x' | indent(9999999999) }}".into(),
        "{{ '%9999999999d' | format(1) }}".into(),
        "{{ '%.9999999999f' | format(1.5) }}".into(),
        "{{ '%*d' | format(999999999, 1) }}".into(),
        "{{ '{:>9999999999}'.format(1) }}".into(),
        "{{ '{:{}}'.format(1, 999999999) }}".into(),
        "{{ [1] | batch(9999999999, 'x') | list }}".into(),
        "{{ [1] | slice(9999999999) | list }}".into(),
        "{{ range(99999999999) | list }}".into(),
        "{{ [1] | tojson(indent=9999999999) }}".into(),
        "{% for i in range(99999) %}{% if 'a' * 4000000 == 'b' * 4000000 %}{% endif %}{% endfor %}".into(),
        "{% set s = 'a' * 4000000 %}{% for i in range(99999) %}{% if s is eq s %}{% endif %}{% endfor %}"
            .into(),
        "{% set s = 'a' * 4000000 %}{% for i in range(99999) %}{% set t = s | upper %}{% endfor %}".into(),
    ] {
        let error = outcome(&source);
        assert!(error.is_err(), "{source:.200}");
    }
}

/// Found by the fuzz: as many turns of a loop, with nothing in each.
#[test]
fn nothing_however_often_is_nothing_at_once() {
    for (source, said) in [
        ("{{ [] * 99999999999 }}", "[]"),
        ("{{ 99999999999 * [] }}", "[]"),
        ("{{ [] * (2 ** 62) }}", "[]"),
        ("{{ '' * 99999999999 }}", ""),
        ("{{ range(99999999999, 0) | list }}", "[]"),
    ] {
        assert_eq!(outcome(source).unwrap(), said, "{source}");
    }
}

#[test]
fn what_would_overflow_the_stack_is_refused() {
    let (many, more) = (100_000, 9_000);
    for source in [
        format!("{{{{ {}1{} }}}}", "(".repeat(many), ")".repeat(many)),
        format!("{{{{ a{} }}}}", "+a".repeat(many)),
        format!("{{{{ a{} }}}}", ".a".repeat(many)),
        format!("{{{{ a{} }}}}", "|e".repeat(many)),
        format!("{{{{ a{} }}}}", "[0]".repeat(many)),
        format!("{{{{ {} a }}}}", "not ".repeat(many)),
        format!("{{{{ {}1 }}}}", "-".repeat(many)),
        format!("{{{{ {}1{} }}}}", "[".repeat(many), "]".repeat(many)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(more)),
        format!("{{{{ a{} }}}}", " is defined".repeat(more)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(more)),
        format!("{}{}", "{% if a %}".repeat(more), "{% endif %}".repeat(more)),
        format!("{}{}", "{% for a in b %}".repeat(more), "{% endfor %}".repeat(more)),
        format!("{}{}", "{% macro f() %}".repeat(more), "{% endmacro %}".repeat(more)),
    ] {
        let error = outcome(&source);
        assert!(error.is_err(), "{source:.200}");
    }
    // As long as an expression may be, in the stack of a test's thread.
    for source in [
        format!("{{{{ a{} }}}}", "~a".repeat(490)),
        format!("{{{{ a{} }}}}", "|e".repeat(490)),
        format!("{{{{ 1{} }}}}", "+1".repeat(490)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(120)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(200)),
    ] {
        outcome(&source).unwrap();
    }
}

#[test]
fn what_a_template_cannot_do_is_an_error() {
    for (source, message) in [
        ("{% if %}", "syntax error"),
        ("{{ 'a' ", "syntax error"),
        ("{% nonsense %}", "unknown statement"),
        ("{{ messages.append(1) }}", "no method named append"),
        ("{{ 'a'.nonsense() }}", "no method named nonsense"),
        ("{{ 'a' | nonsense }}", "filter nonsense is unknown"),
        ("{{ 'a' is nonsense }}", "test nonsense is unknown"),
        ("{{ nonsense() }}", "nonsense is unknown"),
        ("{{ raise_exception('No ' ~ messages[0].role) }}", "No user"),
        ("{{ messages[0].a.b }}", "undefined"),
        ("{{ 'a' + 1 }}", "unsupported operand"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 1 % 0 }}", "division by zero"),
        ("{{ 1 is divisibleby 0 }}", "division by zero"),
        ("{{ 2 ** 999 }}", "out of range"),
        ("{% include 'chat template' %}", "cannot include"),
        ("{% extends 'chat template' %}", "cannot include"),
        ("{% import 'chat template' as x %}", "cannot include"),
        ("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", "cannot be kept"),
        ("{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}", "cannot be kept"),
        ("{% for m in messages %}{{ loop.cycle() }}{% endfor %}", "failed"),
        ("{{ '{' }}{{ '{'.format() }}", "format"),
    ] {
        let error = outcome(source).unwrap_err();
        assert!(error.contains(message), "{source}: {error}");
    }
    assert!(outcome(&" ".repeat(1 << 21)).unwrap_err().contains("are read"));
}
