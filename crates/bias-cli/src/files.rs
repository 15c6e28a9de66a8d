//! Files that commands read and write.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use bias_files::{check_target, create_folder, folder_of, note, read_input, stand_in};

use crate::failure::Failure;

/// The most bytes of a file of results.
const LARGEST: u64 = 1 << 30;
/// The most bytes of neutral texts.
const MOST: u64 = 256 << 20;

/// The neutral texts of the named file, one per line, or of `neutral.txt` in the model's folder.
/// None if that file does not exist. Empty lines are left out.
///
/// # Errors
/// A file that cannot be read, is not UTF-8 or holds no text.
pub fn neutral(named: Option<&Path>, folder: &Path) -> Result<Vec<String>, Failure> {
    let path = named.map_or_else(|| folder.join("neutral.txt"), Path::to_owned);
    match read_input(&path, MOST) {
        Ok(bytes) => {
            let texts = texts(&path, &bytes)?;
            if named.is_some() && texts.is_empty() {
                let path = path.display();
                return Err(
                    format!("--neutral: {path} holds no text; write one text per line").into()
                );
            }
            Ok(texts)
        }
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        Err(error) => Err(format!("--neutral: cannot read {}: {error}", path.display()).into()),
    }
}

/// The lines of a file of neutral texts that are not empty.
fn texts(path: &Path, bytes: &[u8]) -> Result<Vec<String>, Failure> {
    let shown = path.display();
    if let Some(own) = stand_in(bytes) {
        return Err(format!("--neutral: {shown} holds {}; {}", own.found, own.advice).into());
    }
    // Editors of some systems write a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        format!("--neutral: {shown}, line {}: it is not UTF-8 here; save it as UTF-8", before + 1)
    })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<(usize, &str)> = lines.map(|(at, line)| (at + 1, line)).collect();
    // Every second text guards pursuits, and the others measure what pruning does to such text.
    let mut seen: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (place, (line, text)) in lines.iter().enumerate() {
        let (before, first) = *seen.entry(text.trim()).or_insert((place, *line));
        if before % 2 != place % 2 {
            note!(
                "--neutral: {shown}: lines {first} and {line} are the same text, and one of them guards what the other \
                 measures; write it once"
            );
            break;
        }
    }
    Ok(lines.into_iter().map(|(_, line)| line.to_owned()).collect())
}

/// Refuses to show results in a folder that holds others: its pages would be replaced.
///
/// # Errors
/// The folder and what to do.
pub fn keeps_own(folder: &Path, shown: &Path, name: &str) -> Result<(), Failure> {
    let there = folder.join(name);
    let same =
        |a: &Path, b: &Path| Some(read_input(a, LARGEST).ok()? == read_input(b, LARGEST).ok()?);
    if !there.exists() || same(&there, shown) == Some(true) {
        return Ok(());
    }
    Err(format!(
        "--out: {} holds other results, whose pages would be replaced; name another folder",
        folder.display()
    )
    .into())
}

/// Whether an output file is named once among all arguments, and is no file of a model in a folder
/// that they name: what is read must not be replaced, and two outputs need two files.
fn is_apart(file: &Path, arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let whole = |path: &Path| match path.canonicalize() {
        Ok(path) => Some(path),
        Err(_) => Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?)),
    };
    let Some(own) = whole(file) else { return Ok(()) };
    let name = own.file_name().unwrap_or_default().to_string_lossy();
    let of_a_model = name.starts_with("model") && name.ends_with(".safetensors")
        || [".json", ".gguf"].iter().any(|end| name.ends_with(end))
        || ["prompts.csv", "neutral.txt"].contains(&name.as_ref());
    let mut named = 0;
    for argument in arguments {
        let text = argument.to_string_lossy();
        // As in --out=FILE and --also tasks=FILE.
        let value = text.rsplit_once('=').map_or(text.as_ref(), |(_, value)| value);
        let path = Path::new(value);
        named += usize::from(whole(path).as_ref() == Some(&own));
        if of_a_model
            && own.is_file()
            && path.canonicalize().ok().as_deref() == own.parent()
            && path.join("config.json").exists()
        {
            return Err(format!(
                "cannot write {}: it is a file of the model in {value}, which would be lost; name \
                 another file",
                file.display()
            )
            .into());
        }
    }
    if named > 1 {
        return Err(format!(
            "cannot write {}: it is named twice, and what is read or written there otherwise would \
             be lost; name another file",
            file.display()
        )
        .into());
    }
    Ok(())
}

/// Creates the folder of an output file and checks that it is writable, so that a fault is reported
/// before the work and not after it.
///
/// # Errors
/// A folder that cannot be created or written to, or a path that is itself a folder, a device or a
/// pipe.
pub fn writable(file: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        return Err(format!("cannot write {}: it is a folder; name a file", file.display()).into());
    }
    is_apart(file, std::env::args_os().skip(1))?;
    let folder = folder_of(file);
    let tried = check_target(file)
        .and_then(|()| create_folder(folder))
        .and_then(|()| tempfile::tempfile_in(folder));
    tried.map(drop).map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}
