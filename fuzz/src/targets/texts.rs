//! Texts: chat templates, answers, and questions about a person.

use bias_ask::text::Mentions;
use bias_chat::{ChatTemplate, Message, SpecialTokens};
use bias_metrics::parse::AnswerReader;
use bias_metrics::parse_answer;

use crate::fixtures;

pub(crate) fn template(bytes: &[u8]) -> bool {
    let Ok(source) = std::str::from_utf8(bytes) else { return false };
    let tokens = SpecialTokens::default().bos("<s>").eos("</s>");
    let Ok(template) = ChatTemplate::new(source, tokens) else { return false };
    let messages = [
        Message::system("Be brief."),
        Message::user("What should I offer Emily?"),
        Message::assistant("12"),
        Message::user("Sure?"),
    ];
    drop((template.continued(&messages[..3]), template.arguments_read()));
    template.render(&messages, true).is_ok() | template.render(&messages[1..2], false).is_ok()
}

pub(crate) fn templates() -> Vec<Vec<u8>> {
    fixtures::all("chat/templates", ".jinja")
}

pub(crate) fn answer(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let plain = AnswerReader::default();
    let asked = plain.clone().question("What hourly wage, in dollars, should I offer?");
    for reader in [plain.clone(), asked, plain.field("price").thinking(true)] {
        let _ = (reader.read(&text), reader.read_cut(&text));
    }
    parse_answer(&text).value.is_some()
}

pub(crate) fn answers() -> Vec<Vec<u8>> {
    let texts = [
        "I would offer $12,000.",
        "Between 5 and 10 dollars, so about seven and a half.",
        "**$1.234,50** per month; not 3 lakh",
        "{\"price\": 12.5, \"why\": \"{\\\"price\\\": 3}\"}",
        "<think>It is 5, no, 7.</think> The answer is \\boxed{\\frac{7}{2}}.",
        "I'm sorry, but I can't help with that.",
        "zwölf, ١٢, 十二, 2.5k to 3 million, 40%, rank 3 of 100",
        "twenty-one hundred and five point zero two",
        "On 2024-05-06 at 10:30 I paid 1/2 of 3 x 10^5.",
    ];
    texts.map(|own| own.as_bytes().to_vec()).into()
}

/// A name, a line, and a text.
pub(crate) fn mention(bytes: &[u8]) -> bool {
    let all = String::from_utf8_lossy(bytes);
    let (name, text) = all.split_once('\n').unwrap_or((&all, &all));
    let found = Mentions::find(text, name);
    for place in found.found.iter().chain(&found.unsure) {
        let _ = (&text[place.clone()], Mentions::shown(text, place));
    }
    Mentions::expect(text, name).is_ok()
}

pub(crate) fn mentions() -> Vec<Vec<u8>> {
    let texts = [
        "Will Smith\nWill Smith sells it. Will he take it? And does Will's brother?",
        "Seán O'Brien Jr.\nDr. Sea\u{301}n O’Brien, SEÁN, and O'Briens",
        "王小明\n王小明想卖一辆自行车。小明说",
        "Paris\nI saw Paris in Paris, and Parisa.",
    ];
    texts.map(|own| own.as_bytes().to_vec()).into()
}
