use std::collections::{BTreeMap, HashSet};

use jiff::civil::{Date, DateTime, Time};
use minijinja::machinery::get_compiled_template;
use minijinja::value::Rest;
use minijinja::{Environment, Error, Value};
use serde_json::Value as JsonValue;

use crate::engine::{program, source};
use crate::error::ChatError;
use crate::limits;
use crate::message::Message;
use crate::python::arguments::Arguments;
use crate::python::{dates, filters, functions, kinds, methods, operators, values};
use crate::special_tokens::SpecialTokens;

/// A name that no template can contain.
const NAME: &str = "chat template";
/// The function that tells a template the date.
const DATE: &str = "strftime_now";

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
    arguments: BTreeMap<String, Value>,
}

/// Arguments that every template is given, and that nobody else may give.
const GIVEN: [&str; 2] = ["messages", "add_generation_prompt"];
/// Arguments that hold objects: every template is given them, as `none` where nobody says more.
const OBJECTS: [&str; 2] = ["tools", "documents"];

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
        Ok(Self { environment, tokens, now: None, arguments: BTreeMap::new() })
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

    /// The same template with an argument, such as `enable_thinking`. In transformers, it is a named
    /// argument of `apply_chat_template`. It replaces a special token of the same name.
    ///
    /// # Errors
    /// [`ChatError::Argument`] for a name that the template does not read, or one that only the
    /// conversation decides, such as `messages`; [`ChatError::Value`] for `tools` or `documents`
    /// that are no list of objects; [`ChatError::Template`] for a value that is too large.
    pub fn with_argument(mut self, name: &str, value: &JsonValue) -> Result<Self, ChatError> {
        let known = self.arguments_read();
        if !known.iter().any(|own| own == name) {
            return Err(ChatError::Argument { name: name.into(), known });
        }
        if OBJECTS.contains(&name) && !are_objects(value) {
            return Err(ChatError::Value { name: name.into(), value: value.to_string() });
        }
        let value = from_json(value).map_err(ChatError::of_template)?;
        self.arguments.insert(name.to_owned(), value);
        Ok(self)
    }

    /// The names of the arguments that the template reads, in alphabetical order.
    #[must_use]
    pub fn arguments_read(&self) -> Vec<String> {
        let mut names: Vec<String> = self.reads().into_iter().collect();
        names.retain(|name| {
            let given = GIVEN.contains(&name.as_str()) || name == DATE;
            !given && !name.starts_with("__") && !self.is_global(name)
        });
        names.sort_unstable();
        names
    }

    /// Whether the text depends on the date: the template calls `strftime_now`.
    #[must_use]
    pub fn tells_the_date(&self) -> bool {
        self.reads().contains(DATE)
    }

    /// The variables that the template does not set itself, or reads before it sets them.
    fn reads(&self) -> HashSet<String> {
        let Ok(template) = self.environment.get_template(NAME) else { return HashSet::new() };
        let mut names = template.undeclared_variables(false);
        let before = program::read_before_set(get_compiled_template(&template));
        names.extend(before.into_iter().map(str::to_owned));
        names
    }

    fn is_global(&self, name: &str) -> bool {
        self.environment.globals().any(|(own, _)| own == name)
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
        let strftime_now = Value::from_function(move |given: Rest<Value>| {
            let arguments = Arguments::new(&given)?;
            let format = arguments.required(0, "format")?;
            arguments.end(1)?;
            let format = format.as_str().ok_or_else(|| limits::fail("the format is no text"))?;
            dates::strftime(now, format)
        });
        let own = [
            ("messages", values::list(messages)?),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
            (DATE, strftime_now),
        ];
        let tokens = self.tokens.iter().map(|(name, token)| (name, Value::from(token)));
        let arguments = self.arguments.iter().map(|(name, value)| (name.as_str(), value.clone()));
        Ok(own.into_iter().chain(tokens).chain(arguments).collect())
    }
}

/// What transformers takes for tools and documents.
fn are_objects(value: &JsonValue) -> bool {
    value.is_null() || value.as_array().is_some_and(|all| all.iter().all(JsonValue::is_object))
}

/// A value from outside, as Python has it.
fn from_json(value: &JsonValue) -> Result<Value, Error> {
    Ok(match value {
        JsonValue::Null => Value::from(()),
        JsonValue::Bool(flag) => Value::from(*flag),
        JsonValue::String(text) => Value::from(text.as_str()),
        JsonValue::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Value::from(whole),
            (None, Some(whole), _) => Value::from(whole),
            (None, None, float) => float.map_or_else(|| Value::from(()), Value::from),
        },
        JsonValue::Array(items) => {
            values::list(items.iter().map(from_json).collect::<Result<Vec<_>, _>>()?)?
        }
        JsonValue::Object(entries) => {
            let pairs =
                entries.iter().map(|(key, own)| Ok((Value::from(key.as_str()), from_json(own)?)));
            values::dict(pairs.collect::<Result<Vec<_>, Error>>()?)?
        }
    })
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
