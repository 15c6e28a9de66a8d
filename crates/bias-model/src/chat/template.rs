use std::path::{Path, PathBuf};

use minijinja::machinery::get_compiled_template;
use minijinja::{Environment, Error, Value};
use time::{Date, PrimitiveDateTime, Time};

use super::message::Message;
use super::special_tokens::SpecialTokens;
use super::{dates, filters, folder, functions, kinds, limits, methods, operators, program, source, values};
use crate::error::ModelError;

/// Not a name that could stand in a template.
const NAME: &str = "chat template";

/// A chat template: the program, in Jinja, that writes a conversation as a model reads it.
///
/// Renders what transformers' `apply_chat_template` renders, byte for byte (`fixtures/chat`);
/// docs/method.md lists what little differs. Whatever a template does ends: with a text of
/// at most 4 MiB, or with an error.
///
/// ```
/// use bias_model::chat::{ChatTemplate, Message, SpecialTokens};
///
/// let source = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}";
/// let template = ChatTemplate::new(source, SpecialTokens::default().bos("<s>"))?;
/// let text = template.render(&[Message::system("Be brief."), Message::user(" Hello! ")], true)?;
/// assert_eq!(text, "<s><system>Be brief.<user>Hello!");
/// # Ok::<(), bias_model::ModelError>(())
/// ```
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    path: PathBuf,
    tokens: SpecialTokens,
    now: Option<PrimitiveDateTime>,
}

impl ChatTemplate {
    /// A template from its source.
    ///
    /// # Errors
    /// [`ModelError::Template`] when it does not parse, is larger than 1 MiB, or uses what
    /// chat templates cannot.
    pub fn new(source: &str, tokens: SpecialTokens) -> Result<Self, ModelError> {
        Self::at(PathBuf::from("chat_template.jinja"), source, tokens)
    }

    /// The template of a model folder, if it has one.
    ///
    /// `chat_template.jinja`, else the one in `tokenizer_config.json`, else
    /// `chat_template.json`; of several, the one named `default`. The special tokens are
    /// those of `tokenizer_config.json` and `special_tokens_map.json`.
    ///
    /// # Errors
    /// Files that cannot be read, and as [`new`](Self::new).
    pub fn from_folder(folder: &Path) -> Result<Option<Self>, ModelError> {
        let Some((source, path)) = folder::source(folder)? else { return Ok(None) };
        Self::at(path, &source, SpecialTokens::from_folder(folder)?).map(Some)
    }

    pub(crate) fn at(path: PathBuf, source: &str, tokens: SpecialTokens) -> Result<Self, ModelError> {
        match compile(source) {
            Ok(environment) => Ok(Self { environment, path, tokens, now: None }),
            Err(source) => Err(ModelError::Template { path, source: Box::new(source) }),
        }
    }

    /// The same template, told that today is this day; otherwise it is told what the
    /// system's clock says, in UTC.
    #[must_use]
    pub fn on(self, day: Date) -> Self {
        Self { now: Some(PrimitiveDateTime::new(day, Time::MIDNIGHT)), ..self }
    }

    /// The text of a conversation, with what begins the model's answer, if wanted, at the end.
    ///
    /// # Errors
    /// [`ModelError::Template`]. What a template says with `raise_exception` is in the message of its source.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ModelError> {
        let error =
            |source: Error| ModelError::Template { path: self.path.clone(), source: Box::new(source) };
        let variables = self.variables(messages, add_generation_prompt).map_err(error)?;
        let template = self.environment.get_template(NAME).map_err(error)?;
        let program = program::Program::new(get_compiled_template(&template)).map_err(error)?;
        program.run(&self.environment, variables).map_err(error)
    }

    /// The text of a conversation up to the end of its last message, for the model to go on with that: what
    /// transformers' `continue_final_message` gives.
    ///
    /// # Errors
    /// As [`render`](Self::render); [`ModelError::Continuation`] where the template does not show the last message.
    pub fn continued(&self, messages: &[Message]) -> Result<String, ModelError> {
        // Transformers' own, space included: templates that trim messages are told by it.
        const MARK: &str = "CONTINUE_FINAL_MESSAGE_TAG ";
        let refused = || ModelError::Continuation { path: self.path.clone() };
        let mut messages = messages.to_vec();
        let last = messages.last_mut().ok_or_else(refused)?;
        let content = std::mem::take(&mut last.content);
        last.content = format!("{content}{MARK}");
        let mut text = self.render(&messages, false)?;
        let end =
            text.rfind(MARK.trim_end()).filter(|_| text.contains(content.trim())).ok_or_else(refused)?;
        let trimmed = !text[end..].starts_with(MARK);
        text.truncate(if trimmed { text[..end].trim_end().len() } else { end });
        Ok(text)
    }

    fn variables(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Value, Error> {
        let now = self.now.unwrap_or_else(dates::now);
        let pairs = |m: &Message| {
            let content = Value::from(m.content.as_str());
            values::dict([(Value::from("role"), Value::from(&*m.role)), (Value::from("content"), content)])
        };
        let messages = messages.iter().map(pairs).collect::<Result<Vec<_>, Error>>()?;
        let strftime_now = Value::from_function(move |format: &str| dates::strftime(now, format));
        let own = [
            ("messages", values::list(messages)?),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
            ("strftime_now", strftime_now),
        ];
        let tokens = self.tokens.iter().map(|(name, token)| (name, Value::from(token)));
        Ok(own.into_iter().chain(tokens).collect())
    }
}

/// The source compiled, in an environment set up as transformers sets up its own.
fn compile(source: &str) -> Result<Environment<'static>, Error> {
    let source = source::prepare(source)?;
    let mut environment = Environment::empty();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_debug(false);
    environment.set_fuel(Some(limits::FUEL));
    environment.set_recursion_limit(limits::RECURSION);
    environment.set_formatter(program::emit);
    environment.set_unknown_method_callback(methods::call);
    environment.add_global(source::ONE, Value::from(1));
    operators::install(&mut environment);
    functions::install(&mut environment);
    filters::install(&mut environment);
    kinds::install(&mut environment);
    environment.add_template_owned(NAME, source)?;
    // What it must not use is found now, not when the first prompt is rendered.
    program::Program::new(get_compiled_template(&environment.get_template(NAME)?))?;
    Ok(environment)
}
