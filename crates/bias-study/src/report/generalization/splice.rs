/// A page with other text between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, each on a line of
/// its own; `None` if it does not have both, in this order.
#[must_use]
pub fn spliced(page: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_marks_is_replaced_and_nothing_else() {
        let page =
            "# A\n<!-- x:begin -->\nold\n<!-- x:end -->\nB\n<!-- y:begin -->\n<!-- y:end -->\n";
        let again = spliced(page, "x", "new\n\n").unwrap();
        let expected =
            "# A\n<!-- x:begin -->\nnew\n<!-- x:end -->\nB\n<!-- y:begin -->\n<!-- y:end -->\n";
        assert_eq!(again, expected);
        assert_eq!(spliced(&again, "x", "new").unwrap(), again, "the same twice");
        assert_eq!(spliced(page, "z", "new"), None);
        assert_eq!(spliced("<!-- x:end --><!-- x:begin -->", "x", "new"), None);
    }
}
