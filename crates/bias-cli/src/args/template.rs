//! Arguments of a chat template.

use serde_json::Value;

/// Words that other languages write for a truth value or for nothing, and what they are in JSON. As
/// texts, all of them count as true in a template.
const WORDS: [(&str, &str); 9] = [
    ("true", "true"),
    ("yes", "true"),
    ("on", "true"),
    ("false", "false"),
    ("no", "false"),
    ("off", "false"),
    ("none", "null"),
    ("null", "null"),
    ("nil", "null"),
];

/// Reads `NAME=VALUE`. The value is JSON, or else a text.
///
/// # Errors
/// Another form; a word such as `False` or `off`, which a template would take for a text, and so for
/// true; a list, object or text in quotes that is not JSON.
pub fn template_argument(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .map(|(name, value)| (name.trim(), value))
        .filter(|(name, _)| !name.is_empty())
        .ok_or("expected NAME=VALUE, as in enable_thinking=false")?;
    if let Ok(read) = serde_json::from_str(value) {
        if has_long_integer(value) {
            return Err("a whole number of more than 64 bits cannot be passed on exactly; write it between quotes, as a text".into());
        }
        return Ok((name.into(), read));
    }
    let bare = value.trim().trim_matches('\'');
    let meant = WORDS.iter().find(|(word, _)| bare.eq_ignore_ascii_case(word));
    if let Some((_, meant)) = meant {
        return Err(format!(
            "`{value}` is a text, which a template takes for true; write {name}={meant}, or '{name}=\"{bare}\"' if the text is meant"
        ));
    }
    if value.trim_start().starts_with(['{', '[', '"', '\'']) {
        return Err(format!(
            "`{value}` is not JSON; write lists as [1, 2], objects as {{\"a\": true}}, and a text without quotes or as \"text\""
        ));
    }
    Ok((name.into(), value.into()))
}

/// Whether a JSON text has an integer that neither an `i64` nor a `u64` holds.
fn has_long_integer(json: &str) -> bool {
    let mut outside = String::with_capacity(json.len());
    let (mut text, mut escaped) = (false, false);
    for c in json.chars() {
        match c {
            '"' if !escaped => text = !text,
            _ if text => {}
            _ => outside.push(c),
        }
        escaped = text && c == '\\' && !escaped;
    }
    let numbers = outside.split(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    numbers
        .filter(|own| own.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|own| own.len() > 1)
        .any(|own| own.parse::<i64>().is_err() && own.parse::<u64>().is_err())
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_json_or_texts() {
        for (text, value) in [
            ("enable_thinking=false", json!(false)),
            ("enable_thinking= true ", json!(true)),
            ("budget=512", json!(512)),
            ("budget=-1.5", json!(-1.5)),
            ("tools=[\"a\"]", json!(["a"])),
            ("effort=\"no\"", json!("no")),
            ("effort=\"False\"", json!("False")),
            ("effort=low", json!("low")),
            ("effort=not at all", json!("not at all")),
            ("effort=", json!("")),
            ("a=b=c", json!("b=c")),
            ("a=null", Value::Null),
        ] {
            assert_eq!(template_argument(text).unwrap().1, value, "{text}");
        }
    }

    /// Jinja takes every text but the empty one for true, so that thinking would stay on.
    #[test]
    fn words_for_truth_values_are_refused_with_what_to_write() {
        for (value, meant) in [
            ("False", "false"),
            ("FALSE", "false"),
            ("no", "false"),
            ("No", "false"),
            ("off", "false"),
            ("'false'", "false"),
            (" False", "false"),
            ("True", "true"),
            ("yes", "true"),
            ("ON", "true"),
            ("None", "null"),
            ("NULL", "null"),
        ] {
            let error = template_argument(&format!("enable_thinking={value}")).unwrap_err();
            assert!(error.contains(&format!("write enable_thinking={meant},")), "{value}: {error}");
            assert!(error.contains("\"'") && !error.contains('\n'), "{value}: {error}");
        }
        for value in ["{'a': True}", "[1, 2", "\"low", "'low'"] {
            let error = template_argument(&format!("effort={value}")).unwrap_err();
            assert!(error.contains("is not JSON"), "{value}: {error}");
        }
        for value in ["100000000000000000000", "[1, -9999999999999999999999]"] {
            let error = template_argument(&format!("seed={value}")).unwrap_err();
            assert!(error.contains("64 bits"), "{value}: {error}");
        }
        for text in ["enable_thinking", "=false", " =1"] {
            assert!(template_argument(text).unwrap_err().contains("NAME=VALUE"), "{text}");
        }
    }
}
