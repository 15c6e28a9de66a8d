use bias_ask::generate::Continuation;
use bias_ask::{AskError, Tokenize};

use crate::items::item::{Continued, Item, Texts};
use crate::items::set::Reason;

/// Turns texts into tokens as lm-evaluation-harness does.
pub(super) struct Encoder<'t, T> {
    text: &'t T,
    /// The token that a text without a context follows.
    prefix: u32,
    /// That token as text.
    written: String,
    /// The most tokens that the model can read.
    limit: usize,
}

impl<'t, T: Tokenize> Encoder<'t, T> {
    pub(super) fn new(text: &'t T, prefix: u32, limit: Option<usize>) -> Result<Self, AskError> {
        let written = text.written(&[prefix])?;
        Ok(Self { text, prefix, written, limit: limit.unwrap_or(usize::MAX) })
    }

    /// The tokens of each text of an item, or why it cannot be scored. A whole text may become
    /// several windows.
    pub(super) fn item(&self, item: &Item) -> Result<Result<Vec<Continuation>, Reason>, AskError> {
        let texts = match &item.texts {
            Texts::Whole(text) => return self.windows(text),
            Texts::Continued(texts) => texts,
        };
        let mut found: Vec<Continuation> = Vec::with_capacity(texts.len());
        let mut known: Option<(&str, Vec<u32>)> = None;
        for text in texts {
            let own = self.pair(text, &mut known)?;
            let Some(own) = own else { return Ok(Err(Reason::NoTokens)) };
            // The last token is only predicted.
            if own.tokens().len() - 1 > self.limit {
                return Ok(Err(Reason::TooLong));
            }
            if found.contains(&own) {
                return Ok(Err(Reason::Coincide));
            }
            found.push(own);
        }
        Ok(Ok(found))
    }

    /// `TemplateLM._encode_pair` and `loglikelihood`: spaces at the end of the context belong to
    /// the continuation; both are encoded together and cut where the context's own tokens end.
    fn pair<'i>(
        &self,
        text: &'i Continued,
        known: &mut Option<(&'i str, Vec<u32>)>,
    ) -> Result<Option<Continuation>, AskError> {
        let context = text.context.trim_end();
        let whole = format!("{}{}", text.context, text.continuation);
        if context.is_empty() {
            let own = self.text.verbatim(&whole)?;
            let (given, wanted) = match own.first() {
                None => return Ok(None),
                // It is the prefix itself.
                Some(first) if *first == self.prefix => own.split_at(1),
                Some(_) => (&[self.prefix][..], &own[..]),
            };
            return self.continuation(given, wanted);
        }
        if known.as_ref().is_none_or(|(own, _)| *own != context) {
            *known = Some((context, self.tokens(context)?));
        }
        let Some((_, given)) = known else { return Ok(None) };
        let whole = self.tokens(&whole)?;
        self.continuation(given, whole.get(given.len()..).unwrap_or_default())
    }

    fn continuation(
        &self,
        given: &[u32],
        wanted: &[u32],
    ) -> Result<Option<Continuation>, AskError> {
        let fits = !given.is_empty() && !wanted.is_empty();
        fits.then(|| Continuation::new(given, wanted)).transpose()
    }

    /// `tok_encode`: with the tokens that the tokenizer adds to every text, unless the text begins
    /// with the prefix already.
    fn tokens(&self, text: &str) -> Result<Vec<u32>, AskError> {
        let special = self.written.is_empty() || !text.starts_with(&self.written);
        Ok(self.text.encode(text, special)?.into_iter().map(|own| own.id).collect())
    }

    /// `get_rolling_token_windows` with a context of one token: windows as long as the model's
    /// context, and every token predicted once.
    fn windows(&self, text: &str) -> Result<Result<Vec<Continuation>, Reason>, AskError> {
        let tokens = self.tokens(text)?;
        let first = tokens.len().min(self.limit);
        let mut windows = Vec::new();
        let Some(own) = self.continuation(&[self.prefix], &tokens[..first])? else {
            return Ok(Err(Reason::NoTokens));
        };
        windows.push(own);
        let mut predicted = first;
        while predicted < tokens.len() {
            let end = tokens.len().min(predicted + self.limit);
            let start = end - self.limit - 1;
            windows.extend(self.continuation(&tokens[start..predicted], &tokens[predicted..end])?);
            predicted = end;
        }
        Ok(Ok(windows))
    }
}
