use minijinja::Error;
use minijinja::machinery::{Token, WhitespaceConfig, tokenize};

use crate::limits::{MAX_ELIF, MAX_TAG, fail};

/// The name of a variable whose value is 1.
pub(crate) const ONE: &str = "__one__";

/// Rewrites a template's source for minijinja. Refuses a template that is too large to be compiled
/// safely.
///
/// Line ends become `\n`, as in Jinja. The `generation` blocks of transformers mark the text to
/// train on. They become `with` blocks, which have the same scope and print the same.
pub(crate) fn prepare(source: &str) -> Result<String, Error> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    guard_products(&generation_blocks(&source))
}

fn generation_blocks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        match generation_tag(tag) {
            Some((replaced, after)) => {
                out.push_str(&replaced);
                rest = after;
            }
            None => {
                out.push_str("{%");
                rest = tag.strip_prefix("{%").unwrap_or_default();
            }
        }
    }
    out + rest
}

/// Reads `{% generation %}` or `{% endgeneration %}` at the start of a text, with its white-space
/// marks. Returns the tag and the rest.
fn generation_tag(tag: &str) -> Option<(String, &str)> {
    let sign = |text| {
        <str>::strip_prefix(text, ['-', '+'])
            .map_or(("", text), |rest| text.split_at(text.len() - rest.len()))
    };
    let (open, rest) = sign(tag.strip_prefix("{%")?);
    let rest = rest.trim_start();
    let (end, rest) = rest.strip_prefix("end").map_or(("", rest), |rest| ("end", rest));
    let (close, rest) = sign(rest.strip_prefix("generation")?.trim_start());
    Some((format!("{{%{open} {end}with {close}%}}"), rest.strip_prefix("%}")?))
}

/// Refuses very long expressions: the compiler is recursive and could overflow the stack. Rewrites
/// products and quotients of constants, which minijinja would otherwise compute while compiling,
/// without our limits and not as Python does.
fn guard_products(source: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(source.len());
    let (mut copied, mut words, mut elifs) = (0, 0, 0);
    let mut after_value = false;
    for token in tokenize(source, false, Default::default(), WhitespaceConfig::default()) {
        // The parser finds the same error, and says where.
        let Ok((token, span)) = token else { break };
        words =
            if matches!(token, Token::VariableStart | Token::BlockStart) { 0 } else { words + 1 };
        elifs += usize::from(words == 1 && matches!(token, Token::Ident("elif")));
        if words > MAX_TAG || elifs > MAX_ELIF {
            let line = span.start_line;
            return Err(fail(format!(
                "line {line}: more than {MAX_TAG} words and signs, or {MAX_ELIF} `elif`"
            )));
        }
        if after_value && matches!(token, Token::Mul | Token::Div | Token::FloorDiv | Token::Mod) {
            let operator = span.start_offset as usize;
            out.push_str(source.get(copied..operator).unwrap_or_default());
            out.push('*');
            out.push_str(ONE);
            copied = operator;
        }
        after_value = matches!(
            token,
            Token::Ident(_)
                | Token::Str(_)
                | Token::String(_)
                | Token::Int(_)
                | Token::Int128(_)
                | Token::Float(_)
                | Token::ParenClose
                | Token::BracketClose
                | Token::BraceClose
        );
    }
    out.push_str(source.get(copied..).unwrap_or_default());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_generation_blocks_are_rewritten() {
        for (source, prepared) in [
            ("a\r\nb\rc", "a\nb\nc"),
            ("{% generation %}x{% endgeneration %}", "{% with %}x{% endwith %}"),
            ("{%-generation-%}{%+ endgeneration  +%}", "{%- with -%}{%+ endwith +%}"),
            (
                "{% generation.x %}{% set generation = 1 %}{%",
                "{% generation.x %}{% set generation = 1 %}{%",
            ),
            (
                "{{ '-' * 3 }}{{ f(*a) }}{{ 7//n }}",
                "{{ '-' *__one__* 3 }}{{ f(*a) }}{{ 7*__one__//n }}",
            ),
        ] {
            assert_eq!(prepare(source).unwrap(), prepared);
        }
        assert!(prepare(&format!("{{{{ a{} }}}}", "+a".repeat(MAX_TAG))).is_err());
    }
}
