use jiff::civil::{Date, DateTime, Time};
use minijinja::machinery::get_compiled_template;
use minijinja::{Environment, Error, Value};

use crate::engine::{program, source};
use crate::error::ChatError;
use crate::limits;
use crate::message::Message;
use crate::python::{dates, filters, functions, kinds, methods, operators, values};
use crate::special_tokens::SpecialTokens;

/// A name that no template can contain.
const NAME: &str = "chat template";

/// A chat template: a program in Jinja that writes a conversation in the form that a model reads.
///
/// The output equals that of transformers' `apply_chat_template` byte for byte (`fixtures/chat`);
/// docs/method.md lists the few differences. Every template ends with a text of at most 4 MiB, or
/// with an error.
///
/// ```
/// use bias_chat::{ChatTemplate, Message, SpecialTokens};
///
/// let source = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}";
/// let template = ChatTemplate::new(source, SpecialTokens::default().bos("<s>"))?;
/// let text = template.render(&[Message::system("Be brief."), Message::user(" Hello! ")], true)?;
/// assert_eq!(text, "<s><system>Be brief.<user>Hello!");
/// # Ok::<(), bias_chat::ChatError>(())
/// ```
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: SpecialTokens,
    now: Option<DateTime>,
}

impl ChatTemplate {
    /// The most bytes in a template's source.
    pub const MAX_SOURCE: usize = limits::MAX_SOURCE;

    /// Compiles a template from its source.
    ///
    /// # Errors
    /// [`ChatError::Template`] when it does not parse or uses features that chat templates do not
    /// have, [`ChatError::TooLarge`].
    pub fn new(source: &str, tokens: SpecialTokens) -> Result<Self, ChatError> {
        if source.len() > Self::MAX_SOURCE {
            return Err(ChatError::TooLarge { found: source.len() as u64 });
        }
        let environment = compile(source).map_err(ChatError::of_template)?;
        Ok(Self { environment, tokens, now: None })
    }

    /// The same template with a fixed date of the Gregorian calendar. Without one, a template gets
    /// the system clock's date, in UTC.
    ///
    /// # Errors
    /// [`ChatError::Date`] for a day that does not exist.
    pub fn on(self, year: i16, month: i8, day: i8) -> Result<Self, ChatError> {
        let date = Date::new(year, month, day).map_err(|_| ChatError::Date { year, month, day })?;
        Ok(Self { now: Some(date.to_datetime(Time::midnight())), ..self })
    }

    /// Renders a conversation, and where asked for, the text that begins the model's answer.
    ///
    /// # Errors
    /// [`ChatError::Template`]: the template refuses the conversation, or exceeds a limit.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        self.run(messages, add_generation_prompt).map_err(ChatError::of_template)
    }

    fn run(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, Error> {
        let variables = self.variables(messages, add_generation_prompt)?;
        let template = self.environment.get_template(NAME)?;
        let program = program::Program::new(get_compiled_template(&template))?;
        program.run(&self.environment, variables)
    }

    /// Renders a conversation up to the end of its last message, which the model then continues. It
    /// equals transformers' `continue_final_message`.
    ///
    /// # Errors
    /// As [`render`](Self::render); [`ChatError::Continuation`] when the output does not contain
    /// the last message.
    pub fn continued(&self, messages: &[Message]) -> Result<String, ChatError> {
        // Transformers' own, space included: templates that trim messages are told by it.
        const MARK: &str = "CONTINUE_FINAL_MESSAGE_TAG ";
        let mut messages = messages.to_vec();
        let last = messages.last_mut().ok_or(ChatError::Continuation)?;
        let content = std::mem::take(&mut last.content);
        last.content = format!("{content}{MARK}");
        let mut text = self.render(&messages, false)?;
        let end = text
            .rfind(MARK.trim_end())
            .filter(|_| text.contains(content.trim()))
            .ok_or(ChatError::Continuation)?;
        let trimmed = !text[end..].starts_with(MARK);
        text.truncate(if trimmed { text[..end].trim_end().len() } else { end });
        Ok(text)
    }

    fn variables(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Value, Error> {
        let now = self.now.unwrap_or_else(dates::now);
        let pairs = |m: &Message| {
            let content = Value::from(m.content.as_str());
            values::dict([
                (Value::from("role"), Value::from(&*m.role)),
                (Value::from("content"), content),
            ])
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

/// Compiles the source, in an environment that is set up as transformers sets up its own.
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
