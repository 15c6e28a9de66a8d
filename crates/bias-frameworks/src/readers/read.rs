use std::path::Path;

use super::found::Found;
use super::options::{BbqAnswer, ReadOptions};
use super::text_file::TextFile;
use super::{
    arc, bbq, boolq, crows, discrim_eval, hellaswag, lambada, mmlu, piqa, recognise, stereoset,
    tasks, wikitext, winobias, winogender,
};
use crate::error::FrameworkError;
use crate::framework::Framework;
use crate::items::set::{ItemSet, Source};

/// Reads the files of one framework. Items of all files are joined.
///
/// # Errors
/// As [`read_with`].
pub fn read(framework: Framework, paths: &[&Path]) -> Result<ItemSet, FrameworkError> {
    read_with(framework, paths, &ReadOptions::default())
}

/// The same, with options.
///
/// # Errors
/// [`FrameworkError::Read`]; [`FrameworkError::Schema`] with the line for a file that is not of the
/// framework, or [`FrameworkError::OtherFramework`] if it looks like another one's; a file without
/// items; a framework whose items are not read from a file.
pub fn read_with(
    framework: Framework,
    paths: &[&Path],
    options: &ReadOptions,
) -> Result<ItemSet, FrameworkError> {
    let mut set =
        ItemSet { framework, sources: Vec::new(), items: Vec::new(), left_out: Vec::new() };
    let occupations = options.occupations.as_deref().filter(|_| framework == Framework::Winogender);
    let occupations = occupations.map(TextFile::read).transpose()?;
    for path in paths {
        let file = TextFile::read(path)?;
        let mut found = match read_one(framework, &file, options.bbq) {
            Err(FrameworkError::Schema { path, line, reason }) => {
                let other = recognise::framework(&file.text).filter(|own| *own != framework);
                return Err(match other {
                    Some(found) => {
                        FrameworkError::OtherFramework { path, expected: framework, found, reason }
                    }
                    None => FrameworkError::Schema { path, line, reason },
                });
            }
            found => found?,
        };
        if found.items.is_empty() && found.left_out.is_empty() {
            return Err(file.bad(None, format!("it holds no items of {framework}")));
        }
        if paths.len() > 1 {
            // The same id may stand in two files.
            let name = file.stem();
            found.items.iter_mut().for_each(|own| own.id = format!("{name}/{}", own.id));
            found.left_out.iter_mut().for_each(|own| own.id = format!("{name}/{}", own.id));
        }
        set.items.append(&mut found.items);
        set.left_out.append(&mut found.left_out);
        set.sources.push(Source { path: file.path, sha256: file.sha256 });
    }
    if let Some(file) = occupations {
        winogender::tell_apart(&mut set.items, &file)?;
        set.sources.push(Source { path: file.path, sha256: file.sha256 });
    }
    Ok(set)
}

fn read_one(
    framework: Framework,
    file: &TextFile,
    answer: BbqAnswer,
) -> Result<Found, FrameworkError> {
    match framework {
        Framework::Crows => crows::read(file),
        Framework::Stereoset => stereoset::read(file),
        Framework::Bbq => bbq::read(file, answer),
        Framework::Winogender => winogender::read(file),
        Framework::Winobias => winobias::read(file),
        Framework::DiscrimEval => discrim_eval::read(file),
        Framework::Hellaswag => hellaswag::read(file),
        Framework::Arc => arc::read(file),
        Framework::Mmlu => mmlu::read(file),
        Framework::Piqa => piqa::read(file),
        Framework::Boolq => boolq::read(file),
        Framework::Lambada => lambada::read(file),
        Framework::Wikitext => wikitext::read(file),
        Framework::Tasks => tasks::read(file),
        Framework::Recognition => {
            Err(FrameworkError::Names { reason: "they are not read from a file".into() })
        }
    }
}
