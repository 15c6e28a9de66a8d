use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use bias_ask::generate::{DecodeOptions, Done};
use bias_ask::question::Choices;
use bias_ask::respond::Identity;
use bias_ask::text::{Asked, Mentions, Wanted};
use bias_ask::{Answers, AskError, Decoding, Respond, Sampling};
use serde_json::json;

use crate::error::HostedError;
use crate::exchange::{Exchange, Offer};
use crate::form::{Form, Words};
use crate::http::Client;
use crate::manners::{Clock, Sender, Spent, System};
use crate::probe::probe;
use crate::question::HostedQuestion;
use crate::record::{Journal, Seen};
use crate::setup::{Protocol, Setup};
use crate::ways::{Drawing, Limits, Way, exact, paths, samples};
use crate::wire::Endpoint;

/// A model behind a server's interface.
///
/// It implements [`Respond`], so everything that asks in words can ask it. The log-probability ways
/// need the default [`Sampling`]: log-probabilities are those of temperature 1, with nothing cut
/// off.
#[derive(Debug)]
pub struct Hosted {
    setup: Setup,
    exchange: Exchange,
    /// The words of the last choice: neighbours have the same.
    words: Mutex<Option<(Choices, bool, Arc<Words>)>>,
    used: Mutex<BTreeSet<(Endpoint, Way)>>,
}

fn locked<T>(own: &Mutex<T>) -> MutexGuard<'_, T> {
    own.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hosted {
    /// A model to be asked. Nothing is sent yet. Every response is kept in the file `record` the
    /// moment it comes, and what the file has already is not asked again.
    ///
    /// # Errors
    /// A record that cannot be used: [`HostedError::Record`], [`HostedError::OtherRecord`],
    /// [`HostedError::Damaged`]; settings that this protocol does not have.
    pub fn new(setup: Setup, record: Option<&Path>) -> Result<Self, HostedError> {
        Self::on(setup, record, Arc::new(System::default()))
    }

    /// The same on another clock.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(
        setup: Setup,
        record: Option<&Path>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HostedError> {
        check(&setup)?;
        let journal = record.map(|path| Journal::open(path, &setup.of())).transpose()?;
        let client = Client::new(
            setup.address.clone(),
            setup.key.clone(),
            setup.protocol == Protocol::Anthropic,
            setup.timeouts,
            setup.in_flight,
        );
        let sender = Sender::new(client, clock, setup.patience, setup.caps);
        let exchange = Exchange::new(sender, journal);
        Ok(Self { setup, exchange, words: Mutex::default(), used: Mutex::default() })
    }

    /// What is asked, of whom, and how.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The record, if responses are kept.
    #[must_use]
    pub fn journal(&self) -> Option<&Journal> {
        self.exchange.journal.as_ref()
    }

    /// Who answered so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.exchange.seen()
    }

    /// What was used so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.exchange.sender.spent()
    }

    /// The ways by which answers were obtained so far, at which endpoints.
    #[must_use]
    pub fn ways(&self) -> Vec<(Endpoint, Way)> {
        locked(&self.used).iter().copied().collect()
    }

    /// The fields that the server refused, and that requests are sent without.
    #[must_use]
    pub fn refused_fields(&self, endpoint: Endpoint) -> Vec<String> {
        self.exchange.dialect(endpoint).lacking().map(str::to_owned).collect()
    }

    /// What the server offers for a question; asked once per endpoint.
    fn offer(&self, question: &HostedQuestion) -> Result<Offer, HostedError> {
        let endpoint = question.endpoint();
        if endpoint == Endpoint::Messages {
            return Ok(Offer { alternatives: None, tells_end: false });
        }
        match self.exchange.offer(endpoint) {
            Some(own) => Ok(own),
            None => probe(&self.exchange, &self.setup, question),
        }
    }

    /// The way to the answers to a question.
    fn way(&self, question: &HostedQuestion, decoding: Decoding) -> Result<Way, HostedError> {
        let cannot = |what: &str, reason: String| HostedError::Cannot { what: what.into(), reason };
        let by_samples = !matches!(decoding, Decoding::Exact { .. });
        let choice = matches!(question.form(), Form::Choice(_));
        let (endpoint, forced) = (question.endpoint(), self.setup.way);
        if forced == Some(Way::Samples) || (by_samples && !choice) {
            return match by_samples {
                true => Ok(Way::Samples),
                false => Err(cannot("samples", "say how many: --samples N".into())),
            };
        }
        if forced == Some(Way::Exact) && endpoint != Endpoint::Completions {
            let reason = "the server must see the text that the model sees: ask raw prompts (--raw), \
                          or give the model's chat template (--template-of)";
            return Err(cannot("the exact way", reason.into()));
        }
        let offer = self.offer(question)?;
        let Some(_) = offer.alternatives else {
            return match by_samples {
                true => Ok(Way::Samples),
                false => {
                    let reason = format!(
                        "{} tells no log-probabilities; draw answers with --samples N",
                        self.setup.address.endpoint(endpoint.path())
                    );
                    Err(cannot("the distribution of answers", reason))
                }
            };
        };
        if !choice && self.setup.options.sampling != Sampling::default() {
            let reason = format!(
                "log-probabilities are those of temperature 1 with nothing cut off, and {} was asked for; \
                 draw answers with --samples N",
                self.setup.options.sampling
            );
            return Err(cannot("the distribution of answers", reason));
        }
        match (forced, endpoint) {
            (Some(way), _) => Ok(way),
            (None, Endpoint::Completions) => Ok(Way::Exact),
            (None, _) if choice || offer.tells_end => Ok(Way::Paths),
            (None, _) => {
                let reason = "the server does not tell how probable the end of an answer is, so that \
                              answers have bounds at best; draw them with --samples N, or take the \
                              bounds with --way paths";
                Err(cannot("the distribution of answers", reason.into()))
            }
        }
    }

    fn answer(
        &self,
        question: &HostedQuestion,
        decoding: Decoding,
    ) -> Result<Answers, HostedError> {
        let (setup, exchange) = (&self.setup, &self.exchange);
        let endpoint = question.endpoint();
        let prompt = question.prompt(setup.system.as_deref(), setup.prefill);
        let way = self.way(question, decoding)?;
        locked(&self.used).insert((endpoint, way));
        let (unexplored, tokens, seed) = match decoding {
            Decoding::Exact { unexplored, tokens, seed } => (unexplored, tokens, seed),
            // A choice is weighed however others are drawn.
            Decoding::Sampled { seed, .. } => (1e-3, bias_ask::generate::BUDGET, seed),
            Decoding::Greedy => (1e-3, bias_ask::generate::BUDGET, 0),
        };
        let alternatives = exchange.offer(endpoint).and_then(|own| own.alternatives).unwrap_or(0);
        let longest = setup.options.max_new_tokens.max(1);
        let limits = Limits { unexplored, tokens, longest, alternatives };
        match way {
            Way::Exact => exact(exchange, &setup.model, question, limits),
            Way::Paths => paths(exchange, &setup.model, question, prompt, limits, seed),
            Way::Samples => {
                let own = &setup.options.sampling;
                let (count, temperature) = match decoding {
                    Decoding::Sampled { samples, .. } => (samples, own.temperature()),
                    Decoding::Greedy | Decoding::Exact { .. } => (1, 0.0),
                };
                let (top_p, top_k, min_p) = (own.top_p(), own.top_k().unwrap_or(0), own.min_p());
                let smoothing = setup.smoothing;
                let how = Drawing {
                    samples: count,
                    seed,
                    temperature,
                    top_p,
                    top_k,
                    min_p,
                    longest,
                    smoothing,
                };
                samples(exchange, &setup.model, question, prompt, how)
            }
        }
    }

    /// The words of a choice, shared by questions with the same.
    fn words_of(&self, choices: &Choices, spaced: bool) -> Arc<Words> {
        let mut last = locked(&self.words);
        if let Some((known, same, words)) = &*last
            && known == choices
            && *same == spaced
        {
            return words.clone();
        }
        let words = Arc::new(Words::of(choices, spaced));
        *last = Some((choices.clone(), spaced, words.clone()));
        words
    }
}

/// Settings that a protocol does not have.
fn check(setup: &Setup) -> Result<(), HostedError> {
    let cannot = |what: &str, reason: &str| {
        Err(HostedError::Cannot { what: what.into(), reason: reason.into() })
    };
    let own = &setup.options.sampling;
    if setup.protocol == Protocol::Openai {
        return Ok(());
    }
    match setup.way {
        Some(Way::Exact | Way::Paths) => {
            return cannot(
                "log-probabilities",
                "Anthropic's messages tell none; draw answers with --samples N",
            );
        }
        Some(Way::Samples) | None => {}
    }
    if own.min_p() > 0.0 {
        return cannot("--min-p", "Anthropic's messages have no such setting");
    }
    if own.temperature() > 1.0 {
        return cannot("--temperature", "Anthropic's messages have none above 1");
    }
    if setup.template.is_some() {
        return cannot("a chat template", "Anthropic's messages apply their own");
    }
    Ok(())
}

impl Respond for Hosted {
    type Question = HostedQuestion;

    fn prepare(
        &self,
        asked: &Asked<'_>,
        wanted: Wanted<'_>,
        stream: u64,
    ) -> Result<HostedQuestion, AskError> {
        Mentions::expect(asked.message, asked.name)?;
        let setup = &self.setup;
        let cannot = |what: &str, reason: &str| {
            AskError::outside(HostedError::Cannot { what: what.into(), reason: reason.into() })
        };
        let (endpoint, words, begun) = match (&setup.template, setup.protocol) {
            _ if asked.raw => {
                if setup.protocol == Protocol::Anthropic {
                    return Err(cannot(
                        "a raw prompt",
                        "Anthropic's messages continue no plain text; ask in a chat",
                    ));
                }
                (Endpoint::Completions, asked.raw_text(), None)
            }
            (Some(template), _) => (Endpoint::Completions, (template.render)(asked)?, None),
            (None, protocol) => {
                if asked.prefix.is_some() && setup.prefill.is_none() {
                    return Err(cannot(
                        "the beginning of an answer",
                        "in a chat, servers differ in how they continue one, and some do not: say how \
                         with --prefill, or give the model's chat template (--template-of)",
                    ));
                }
                let endpoint = match protocol {
                    Protocol::Openai => Endpoint::Chat,
                    Protocol::Anthropic => Endpoint::Messages,
                };
                (endpoint, asked.message.to_owned(), asked.prefix)
            }
        };
        if matches!(wanted, Wanted::Number) && asked.prefix.is_none() {
            return Err(cannot("a number", "its answer must be begun (--answer-prefix)"));
        }
        let form = match wanted {
            Wanted::Words => Form::Free,
            Wanted::Number => Form::Number,
            Wanted::Choice(choices) => {
                // As local models are asked: behind a sentence there is a space.
                let before = begun.unwrap_or(&words);
                let behind = asked.raw || asked.prefix.is_some();
                let spaced = behind && Asked::spaced(before, "a").ends_with(" a");
                Form::Choice(self.words_of(choices, spaced && !before.ends_with(' ')))
            }
        };
        Ok(HostedQuestion::new(endpoint, words, begun, form, stream))
    }

    fn key(&self, question: &HostedQuestion) -> String {
        let form = match question.form() {
            Form::Free => json!("free"),
            Form::Number => json!("number"),
            Form::Choice(words) => json!({"options": words.all, "spaced": words.spaced}),
        };
        let own =
            (question.endpoint(), question.words(), question.begun(), form, question.stream());
        serde_json::to_string(&own).unwrap_or_default()
    }

    fn written(&self, question: &HostedQuestion) -> Result<Option<String>, AskError> {
        // In a chat, the server's template adds to it what is not known here.
        let known = question.endpoint() == Endpoint::Completions;
        Ok(known.then(|| question.words().to_owned()))
    }

    fn respond(
        &self,
        questions: &[HostedQuestion],
        decoding: Decoding,
        _threads: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError> {
        let mut answers: Vec<Option<Answers>> = Vec::new();
        answers.resize_with(questions.len(), || None);
        // The first at each endpoint goes alone: what it teaches of the server holds for the others.
        let mut begun = BTreeSet::new();
        self.exchange.sender.pace().go_on();
        for (own, question) in answers.iter_mut().zip(questions) {
            if begun.insert(question.endpoint()) {
                *own = Some(self.answer(question, decoding).map_err(AskError::outside)?);
                done(1);
            }
            if begun.len() == 3 {
                break;
            }
        }
        let left: Vec<usize> = (0..answers.len()).filter(|i| answers[*i].is_none()).collect();
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let answers = Mutex::new(answers);
        let work = || {
            while let Some(&i) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.answer(&questions[i], decoding) {
                    Ok(own) => {
                        locked(&answers)[i] = Some(own);
                        done(1);
                    }
                    Err(error) => {
                        // What was on its way comes in; nothing more is sent.
                        self.exchange.sender.pace().stop();
                        next.store(left.len(), Ordering::Relaxed);
                        let mut failed = locked(&failed);
                        if !matches!(error, HostedError::Stopped) {
                            failed.get_or_insert(error);
                        }
                        return;
                    }
                }
            }
        };
        let threads = self.setup.in_flight.clamp(1, left.len().max(1));
        std::thread::scope(|scope| {
            // Where the system refuses a thread, those that there are do its work.
            let start = |_| Builder::new().spawn_scoped(scope, work).is_ok();
            let _ = (1..threads).all(start);
            work();
        });
        if let Some(journal) = &self.exchange.journal {
            journal.sync().map_err(AskError::outside)?;
        }
        if let Some(error) = locked(&failed).take() {
            return Err(AskError::outside(error));
        }
        let answers = std::mem::take(&mut *locked(&answers));
        let all: Option<Vec<Answers>> = answers.into_iter().collect();
        all.ok_or_else(|| AskError::outside(HostedError::Stopped))
    }

    fn options(&self) -> &DecodeOptions {
        &self.setup.options
    }

    /// The configuration holds the fingerprints that were seen so far.
    fn identity(&self) -> Result<Identity, AskError> {
        let (of, seen) = (self.setup.of(), self.seen());
        let names = |all: &[(String, u64)]| all.iter().map(|own| own.0.clone()).collect::<Vec<_>>();
        let configuration = json!({
            "of": of,
            "way": self.setup.way,
            "models": names(&seen.models),
            "fingerprints": names(&seen.fingerprints),
        });
        Ok(Identity {
            backend: format!("hosted ({} at {})", of.protocol, of.url),
            configuration: configuration.to_string(),
            ..Identity::default()
        })
    }

    fn ends(&self) -> bool {
        true
    }
}
