//! One field of an answer in JSON or in lines of `name: value`.

use serde_json::Value;

/// Fields within fields that are looked into.
const DEEPEST: usize = 16;
/// Beginnings of objects that are tried.
const MOST_OBJECTS: usize = 64;

/// What a field of the answer says, in words, and whether it is known to end there; `None` where
/// the answer has none of that name.
pub(super) fn field(text: &str, name: &str) -> Option<(String, bool)> {
    let object = objects(text).find_map(|value| find(&value, name, DEEPEST).and_then(said));
    object.map(|said| (said, true)).or_else(|| {
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((key, value)) = line.split_once([':', '=']) else { continue };
            // A quoted key is that of an object that does not end.
            let named = key.trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case(name);
            if named && !key.contains(['"', '{']) {
                return Some((value.trim_matches(['*', ' ']).to_owned(), lines.peek().is_some()));
            }
        }
        None
    })
}

/// The JSON objects in a text, whatever stands around them.
fn objects(text: &str) -> impl Iterator<Item = Value> {
    let begins = text.match_indices('{').take(MOST_OBJECTS);
    begins.filter_map(|(at, _)| {
        serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>().next()?.ok()
    })
}

fn find<'a>(value: &'a Value, name: &str, deepest: usize) -> Option<&'a Value> {
    let fields = value.as_object().filter(|_| deepest > 0)?;
    let named = |(key, _): &(&String, _)| key.eq_ignore_ascii_case(name);
    fields
        .iter()
        .find(named)
        .map(|(_, value)| value)
        .or_else(|| fields.values().find_map(|value| find(value, name, deepest - 1)))
}

fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
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
            (r#"{"offer": null}"#, None),
        ];
        for (text, expected) in cases {
            assert_eq!(field(text, "offer").map(|said| said.0).as_deref(), expected, "{text}");
        }
    }
}
