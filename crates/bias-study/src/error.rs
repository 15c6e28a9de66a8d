use std::path::PathBuf;

use bias_ask::AskError;
use bias_attrib::AttribError;
use bias_frameworks::FrameworkError;
use bias_mask::MaskError;
use bias_metrics::MetricError;
use bias_model::ModelError;
use bias_probe::ProbeError;
use thiserror::Error;

use crate::shard::Shard;

/// An error that ends a study.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A prompt file that cannot be used.
    #[error("{}{}: {reason}", path.display(), line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Prompts {
        /// The file.
        path: PathBuf,
        /// The line in it, from 1.
        line: Option<u64>,
        /// The reason.
        reason: String,
    },
    /// A prompt that the model's template or tokenizer refuses.
    #[error("{context} / {variation}: the prompt about {name} cannot be asked")]
    Prompt {
        /// The context.
        context: String,
        /// The variation.
        variation: String,
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: Box<AskError>,
    },
    /// A neutral text that is too short to predict anything.
    #[error(
        "neutral text {line}, {text:?}, is {tokens} token(s) long, and nothing in it is predicted; take it out or make it longer"
    )]
    ShortNeutral {
        /// Its number, from 1.
        line: usize,
        /// The text.
        text: String,
        /// Its length in tokens.
        tokens: usize,
    },
    /// Answers that cannot be measured.
    #[error("{context} / {variation}: the answers cannot be measured")]
    Measure {
        /// The context.
        context: String,
        /// The variation.
        variation: String,
        /// Why.
        #[source]
        source: MetricError,
    },
    /// Answers that attribution cannot use: nobody of a group is answered with what was asked.
    #[error(
        "{context} / {variation}: no answer about a {group} name says what was asked, so there is no difference to attribute \
         (the answers about {name} are: {said}); run `bias audit` with the same arguments, whose lines say what to try"
    )]
    NoValues {
        /// The context.
        context: String,
        /// The variation.
        variation: String,
        /// The group.
        group: String,
        /// One of its names.
        name: String,
        /// The kinds of answers about that name, with their shares.
        said: String,
    },
    /// A sentence that the model cannot be asked about.
    #[error("pair {pair}, \"{text}…\": it cannot be scored")]
    Pair {
        /// The number of its pair, from 1.
        pair: usize,
        /// The beginning of the sentence.
        text: String,
        /// Why.
        #[source]
        source: Box<AskError>,
    },
    /// The model has no token that sentences could follow.
    #[error(
        "no token begins a text or ends an answer, so that first tokens have no probability; name `bos_token` or `eos_token` \
         in tokenizer_config.json"
    )]
    NoBeginning,
    /// An alternative that cannot be made in this way, or of this model.
    #[error("{alternative}: {reason}")]
    Treatment {
        /// The alternative's name.
        alternative: &'static str,
        /// Why, and what can be done instead.
        reason: String,
    },
    /// A model without a fingerprint of its weights, where one is needed.
    #[error(
        "{what} needs a model that was loaded from files: nothing else says which weights it is about"
    )]
    NoFingerprint {
        /// What needs it.
        what: &'static str,
    },
    /// A truth file that belongs to another model.
    #[error("the truth is said of the model with fingerprint {said_of}, not of this one, {model}")]
    Truth {
        /// The fingerprint in the file.
        said_of: String,
        /// The fingerprint of the model.
        model: String,
    },
    /// A folder that holds another study.
    #[error(
        "{} holds another study, with a different {differ}; name another folder (--out), or run what made it", folder.display()
    )]
    OtherStudy {
        /// The folder.
        folder: PathBuf,
        /// The differences, in words.
        differ: String,
    },
    /// A folder of a study that another version of this program began.
    #[error(
        "{} holds a study of another version of this program (its format is `{found}`, this version goes on with `{reads}`): name another folder, or go on with the version that began it", folder.display()
    )]
    OtherVersion {
        /// The folder.
        folder: PathBuf,
        /// The format of its provenance.
        found: String,
        /// The format of this version.
        reads: &'static str,
    },
    /// A folder to which another process is writing a study.
    #[error("{} is being written by another study; wait for it, or name another folder", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// Results were requested from a part of a study.
    #[error(
        "part {shard} of a study has no results of its own; do its `work`, and make results when all parts are done"
    )]
    OnlyAPart {
        /// The part.
        shard: Shard,
    },
    /// Folders that contain the same piece of a study with different content.
    #[error(
        "{} and {} differ: parts of one study must be computed on machines that round alike", first.display(), second.display()
    )]
    Unlike {
        /// The file in one folder.
        first: PathBuf,
        /// The file in the other folder.
        second: PathBuf,
    },
    /// A file of a study's folder whose content has changed.
    #[error("{} is damaged ({reason}); delete it, and run the study again to go on", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A folder that differs from its manifest.
    #[error("{} is not what it was: {}", folder.display(), problems.join("; "))]
    NotAsWritten {
        /// The folder.
        folder: PathBuf,
        /// The differences, file by file.
        problems: Vec<String>,
    },
    /// A study that lacks a piece.
    #[error(
        "the study is not finished, it lacks {piece}; run it again on the same folder to go on"
    )]
    Unfinished {
        /// The missing piece.
        piece: String,
    },
    /// A page that cannot be created.
    #[error("the report cannot be made: {reason}")]
    Report {
        /// The cause.
        reason: String,
    },
    /// Results of a responder that did not report its sizes.
    #[error(
        "whoever answered has no sizes: it can be audited, and results are of a model that can be looked into"
    )]
    NoSizes,
    /// A protocol that cannot be run.
    #[error("the protocol cannot be run: {reason}")]
    Protocol {
        /// Why, and what to do.
        reason: String,
    },
    /// A gate between masks that cannot be made, or does not fit the model.
    #[error("the gate cannot be used: {reason}")]
    Gate {
        /// Why.
        reason: String,
    },
    /// The model could not be loaded or saved.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// An attribution failed.
    #[error(transparent)]
    Attrib(#[from] AttribError),
    /// A mask failed.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// The model's weights could not be read or identified.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A benchmark or a capability task could not be read or scored.
    #[error(transparent)]
    Framework(#[from] FrameworkError),
    /// A statistic failed.
    #[error(transparent)]
    Metric(#[from] MetricError),
}
