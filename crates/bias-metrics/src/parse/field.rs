//! One field of an answer in JSON or in lines of `name: value`.

use serde_json::Value;

/// Fields within fields that are looked into.
const DEEPEST: usize = 16;
/// Beginnings of objects that are tried.
const MOST_OBJECTS: usize = 64;

/// What the fields of that name in an answer say, in words, and whether each is known to end there.
/// Of fields within fields, those nearest the top count.
pub(super) fn fields(text: &str, name: &str) -> Vec<(String, bool)> {
    let plain = text.replace(['“', '”', '„'], "\"");
    let mut found = in_objects(&plain, name);
    if found.is_empty() {
        // As Python writes it.
        found = in_objects(&plain.replace('\'', "\""), name);
    }
    if found.is_empty() {
        found = begun(&plain, name).map(|said| (said, true)).into_iter().collect();
    }
    if found.is_empty() { lines(text, name) } else { found }
}

fn in_objects(text: &str, name: &str) -> Vec<(String, bool)> {
    let of = |value: &Value| nearest(vec![value], name);
    objects(text).iter().flat_map(of).map(|said| (said, true)).collect()
}

/// A field that is complete in an object that is not: `{"offer": 540, "confi`.
fn begun(text: &str, name: &str) -> Option<String> {
    let object = &text[text.find('{')?..];
    let key = object.split('"').position(|part| part.eq_ignore_ascii_case(name))?;
    let value = object.splitn(key + 2, '"').last()?.trim_start().strip_prefix(':')?.trim_start();
    let mut read = serde_json::Deserializer::from_str(value).into_iter::<Value>();
    let found = read.next()?.ok()?;
    let rest = value[read.byte_offset()..].trim_start();
    rest.starts_with([',', '}']).then(|| said(&found)).flatten()
}

/// The lines `name: value`.
fn lines(text: &str, name: &str) -> Vec<(String, bool)> {
    let (mut found, mut lines) = (Vec::new(), text.lines().peekable());
    while let Some(line) = lines.next() {
        let Some((key, value)) = without_mark(line).split_once([':', '=']) else { continue };
        let named = key.trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case(name);
        // A quoted key is that of an object that does not end.
        if named && !key.contains(['"', '{']) {
            let below = lines.peek().copied().filter(|_| value.trim().is_empty());
            let value = below.unwrap_or(value);
            let own = up_to_next_field(value);
            let ends = lines.peek().is_some() || own.len() < value.len();
            found.push((own.trim_matches(['*', ' ']).to_owned(), ends));
        }
    }
    found
}

/// A line without the mark of a list: `1. Offer: 540`.
fn without_mark(line: &str) -> &str {
    let line = line.trim_start();
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let marked = digits.strip_prefix(['.', ')']).filter(|_| digits.len() < line.len());
    marked.map_or(line, str::trim_start)
}

/// A value up to where another field begins: `540, confidence: 0.7`.
fn up_to_next_field(value: &str) -> &str {
    let next = value.match_indices([',', ';', '(', '|']).find(|(at, sign)| {
        let rest = value[at + sign.len()..].trim_start_matches([' ', '*', '"', '_']);
        let key = rest.split([':', '=']).next().filter(|key| key.len() < rest.len());
        key.is_some_and(|key| {
            let letters = |c: char| c.is_alphabetic() || " _*\"".contains(c);
            key.starts_with(char::is_alphabetic) && key.chars().all(letters)
        })
    });
    next.map_or(value, |(at, _)| &value[..at])
}

/// The outermost JSON objects in a text, whatever stands around them.
fn objects(text: &str) -> Vec<Value> {
    let (mut found, mut from) = (Vec::new(), 0);
    for (at, _) in text.match_indices('{').take(MOST_OBJECTS) {
        if at < from {
            continue;
        }
        let mut read = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        if let Some(Ok(value)) = read.next() {
            from = at + read.byte_offset();
            found.push(value);
        }
    }
    found
}

/// What the fields of that name nearest the top say.
fn nearest(mut level: Vec<&Value>, name: &str) -> Vec<String> {
    for _ in 0..DEEPEST {
        let objects = level.iter().filter_map(|value| value.as_object());
        let named = objects.flat_map(|fields| {
            fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        });
        let found: Vec<&Value> = named.collect();
        if !found.is_empty() {
            return found.into_iter().filter_map(said).collect();
        }
        level = level.into_iter().flat_map(within).collect();
    }
    Vec::new()
}

fn within(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(values) => values.iter().collect(),
        _ => Vec::new(),
    }
}

fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(values) => {
            let all: Option<Vec<String>> = values.iter().map(said).collect();
            all.filter(|all| !all.is_empty()).map(|all| all.join("; "))
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let cases = [
            (r#"{"offer": 540, "confidence": 0.7}"#, Some("540")),
            ("Sure:\n```json\n{\"Offer\": \"$540\", \"why\": \"{}\"}\n```", Some("$540")),
            (r#"{"result": {"offer": 12.5}}"#, Some("12.5")),
            ("**Offer:** $540\nConfidence: 70%", Some("$540")),
            ("- offer = 540", Some("540")),
            (r#"{"price": 540}"#, None),
            (r#"{"offer": 54"#, None),
            ("540", None),
            ("1. Offer: 540", Some("540")),
            ("offer: 540, confidence: 0.7", Some("540")),
            ("Offer: 540 (confidence: 0.7)", Some("540")),
            ("offer: 1,200; confidence: 0.7", Some("1,200")),
            (r#"{"other": {"offer": 700}, "offer": 540}"#, Some("540")),
            (r#"{"offer": null}"#, None),
            ("{'offer': 540}", Some("540")),
            ("{“offer”: 540}", Some("540")),
            ("offer:\n540", Some("540")),
            (r#"{"offer": 540, "confi"#, Some("540")),
            (r#"{"offer": "$540", "confi"#, Some("$540")),
            (r#"{"offer": 540"#, None),
            (r#"{"offer": [540, 600]}"#, Some("540; 600")),
        ];
        for (text, expected) in cases {
            let found = fields(text, "offer");
            assert_eq!(found.first().map(|said| said.0.as_str()), expected, "{text}");
        }
    }

    #[test]
    fn all_fields_of_a_name_are_found() {
        for text in [
            "{\"offer\": 500}\n{\"offer\": 600}",
            r#"[{"offer": 500}, {"offer": 600}]"#,
            r#"{"offers": [{"offer": 500}, {"offer": 600}]}"#,
            r#"{"a": {"offer": 500}, "b": {"offer": 600}}"#,
            "offer: 500\noffer: 600",
        ] {
            let found: Vec<String> = fields(text, "offer").into_iter().map(|own| own.0).collect();
            assert_eq!(found, ["500", "600"], "{text}");
        }
    }
}
