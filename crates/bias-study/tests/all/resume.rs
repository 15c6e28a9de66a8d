//! Studies that are stopped go on, parts make a whole, and a bundle says when it was touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::small::{fixture, prompts};
use bias_model::LanguageModel;
use bias_study::report::{FIGURES, figures};
use bias_study::run::{Manifest, Shard, verify};
use bias_study::store::{NUMBERS, merge, write};
use bias_study::{
    Experiment, Plan, PromptSet, Results, Settings, Study, StudyError, StudyOptions, report,
};
use burn::backend::{Autodiff, Flex};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

type B = Autodiff<Flex>;

fn options(out: &Path, shard: Option<Shard>) -> StudyOptions {
    StudyOptions {
        settings: Settings { resamples: 50, ..Settings::default() },
        plan: Plan::Short,
        threads: 2,
        neutral: vec!["Yesterday the old man walked in the park.".into(), "The cat sleeps.".into()],
        out: Some(out.into()),
        shard,
        experiments: vec![Experiment::Transfer, Experiment::Groups],
        ..StudyOptions::default()
    }
}

fn study<'p>(prompts: &'p PromptSet, options: StudyOptions) -> Result<Study<'p, B>, StudyError> {
    let model = LanguageModel::load(&fixture("emergent"), &Default::default())?;
    Study::new(model, "embedded", prompts, options)
}

/// All of it, as the `study` example does.
fn finish(prompts: &PromptSet, out: &Path) {
    seal(&study(prompts, options(out, None)).unwrap().run().unwrap(), out);
}

/// Writes what the study's example writes.
fn seal(results: &Results, out: &Path) {
    results.save(&out.join("results.json")).unwrap();
    write(&out.join("report.html"), report(results).unwrap().as_bytes()).unwrap();
    for figure in figures(results).unwrap() {
        write(&out.join(FIGURES).join(format!("{}.csv", figure.name)), figure.csv.as_bytes())
            .unwrap();
    }
    Manifest::seal(out).unwrap();
}

/// Every file's content by its path.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path).into_iter().map(|(own, bytes)| (path.join(own), bytes)));
        } else if !path.ends_with(".lock") {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(folder).unwrap().into(), bytes))
        .collect()
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in content(from) {
        write(&to.join(path), &bytes).unwrap();
    }
}

#[test]
fn what_was_stopped_goes_on_and_ends_the_same() {
    let prompts = prompts(1, [2, 2]);
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    finish(&prompts, &whole);
    let expected = content(&whole);
    assert!(expected.len() > 20, "pieces and masks are files of their own");
    verify(&whole).unwrap();

    // A kill leaves some of the files, and perhaps a half-written one. What is done in order is a
    // special case.
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    for kill in 0..3 {
        let stopped = folder.path().join(format!("stopped-{kill}"));
        copy(&whole, &stopped);
        let mut files: Vec<PathBuf> = expected.keys().cloned().collect();
        files.shuffle(&mut rng);
        let lost: Vec<_> = files.iter().take(rng.random_range(1..files.len())).collect();
        lost.iter().for_each(|path| fs::remove_file(stopped.join(path)).unwrap());
        fs::write(stopped.join("pieces/.unfinished-abc"), b"{\"study\": \"").unwrap();
        finish(&prompts, &stopped);
        assert!(content(&stopped) == expected, "kill {kill}, {} files lost", lost.len());
    }

    // A piece that a bad disk cut short, or in which somebody changed a digit, is named, and found
    // again once it is deleted. The manifest names it before anything is done.
    let cut = folder.path().join("cut");
    copy(&whole, &cut);
    let answers = expected.iter().find(|(path, bytes)| {
        path.starts_with("pieces")
            && String::from_utf8_lossy(bytes).contains("\"piece\":{\"answers\"")
    });
    let (path, bytes) = answers.unwrap();
    let digit = bytes.iter().rposition(u8::is_ascii_digit).unwrap();
    let mut other = bytes.clone();
    other[digit] = if other[digit] == b'1' { b'2' } else { b'1' };
    for damaged in [&bytes[..bytes.len() / 2], &other] {
        fs::write(cut.join(path), damaged).unwrap();
        let error = study(&prompts, options(&cut, None)).unwrap_err();
        assert!(matches!(&error, StudyError::NotAsWritten { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains(path.to_str().unwrap()) && said.contains("delete it"), "{said}");
        fs::remove_file(cut.join("manifest.json")).unwrap();
        let error = study(&prompts, options(&cut, None)).unwrap().run().unwrap_err();
        assert!(
            matches!(&error, StudyError::Damaged { path: own, .. } if cut.join(path) == *own),
            "{error}"
        );
        fs::remove_file(cut.join(path)).unwrap();
        finish(&prompts, &cut);
        assert!(content(&cut) == expected, "a piece was computed again");
    }
    // What was deleted is no part of the manifest from then on: it may come out otherwise.
    fs::remove_file(cut.join(path)).unwrap();
    drop(study(&prompts, options(&cut, None)).unwrap());
    assert!(!Manifest::load(&cut).unwrap().files.contains_key(path.to_str().unwrap()));
    finish(&prompts, &cut);
    assert!(content(&cut) == expected, "the manifest names it again");

    // Parts in folders of their own, put together.
    let parts: Vec<PathBuf> = (0..2).map(|i| folder.path().join(format!("part-{i}"))).collect();
    for (i, part) in parts.iter().enumerate() {
        study(&prompts, options(part, Shard::new(i, 2))).unwrap().work().unwrap();
    }
    let merged = folder.path().join("merged");
    merge(&parts, &merged).unwrap();
    finish(&prompts, &merged);
    assert!(content(&merged) == expected, "parts");

    // The same piece with other content is no part of the same study.
    let other = folder.path().join("other");
    copy(&parts[0], &other);
    let piece = fs::read_dir(other.join("pieces")).unwrap().next().unwrap().unwrap().path();
    fs::write(&piece, b"{}").unwrap();
    let error = merge(&[parts[0].clone(), other], &folder.path().join("both")).unwrap_err();
    assert!(matches!(error, StudyError::Unlike { .. }), "{error}");
    let part = study(&prompts, options(&parts[0], Shard::new(0, 2))).unwrap().run().unwrap_err();
    assert!(matches!(part, StudyError::OnlyAPart { .. }), "{part}");

    // Another study is not gone on with, nor merged, nor is a folder written by two at once.
    let mut other = options(&whole, None);
    other.settings.seed = 1;
    let error = study(&prompts, other).unwrap_err();
    assert!(
        matches!(&error, StudyError::OtherStudy { differ, .. } if differ == "--seed (0 there, 1 here)"),
        "{error}"
    );
    let mut model = LanguageModel::load(&fixture("emergent"), &Default::default()).unwrap();
    model.options_mut().batch_rows += 1;
    let error = Study::<B>::new(model, "embedded", &prompts, options(&whole, None)).unwrap_err();
    assert!(error.to_string().contains("batch_rows (8 there, 9 here)"), "{error}");
    // What the model is called, how its prompts' file is written and which build runs are no part
    // of it.
    let renamed = folder.path().join("renamed");
    copy(&whole, &renamed);
    let mut same = prompts.clone();
    (same.sha256, same.skipped) = ("another file".into(), 7);
    let model = LanguageModel::load(&fixture("emergent"), &Default::default()).unwrap();
    let mut again = Study::<B>::new(model, "other name", &same, options(&renamed, None)).unwrap();
    let results = again.run().unwrap();
    drop(again);
    let kept = |folder: &Path| {
        let own = content(folder).into_keys();
        own.filter(|path| path.starts_with("pieces") || path.starts_with("masks"))
            .collect::<Vec<_>>()
    };
    assert_eq!(kept(&renamed), kept(&whole), "nothing was computed again");
    assert_eq!(
        (results.model.name.as_str(), results.prompts.sha256.as_str()),
        ("other name", "another file")
    );
    numbers_are_those_of_this_version(&results);
    seal(&results, &renamed);
    verify(&renamed).unwrap();
    let first = study(&prompts, options(&whole, None)).unwrap();
    assert!(matches!(study(&prompts, options(&whole, None)), Err(StudyError::Busy { .. })));
    drop(first);
    let both = [
        study(&prompts, options(&whole, Shard::new(0, 2))),
        study(&prompts, options(&whole, Shard::new(1, 2))),
    ];
    assert!(both.iter().all(Result::is_ok), "parts share a folder");
    drop(both);

    touched(&whole, &expected);
}

/// Work of builds whose numbers differ must not be mixed. When this fails, raise [`NUMBERS`], and
/// write the new numbers here.
fn numbers_are_those_of_this_version(results: &Results) {
    let reductions =
        results.outcomes.iter().map(|own| own.reduction.value).filter(|v| v.is_finite());
    let found = [
        results.baseline.iter().map(|own| own.bias.value).sum::<f64>(),
        results.baseline.iter().map(|own| own.inlier.value).sum::<f64>(),
        reductions.sum(),
        results.neutral_perplexity.unwrap(),
    ];
    let (numbers, expected) = (3, [3.226_499, 1.990_623, 23.374_702, 126.721_320]);
    let same = found
        .iter()
        .zip(expected)
        .all(|(found, expected): (&f64, f64)| (found / expected - 1.0).abs() < 1e-4);
    assert!(
        same && NUMBERS == numbers,
        "{found:?} are other numbers than {expected:?} of NUMBERS = {numbers}"
    );
}

/// A piece with the hash of its content, as a forger would write it.
fn sealed(piece: &str) -> String {
    let (_, rest) = piece.split_at(r#"{"sha256":"",}"#.len() - 1 + 64);
    let hash = bias_files::hex(&Sha256::digest(rest));
    format!("{{\"sha256\":\"{hash}\",{rest}")
}

/// Whatever is done to a bundle is found.
fn touched(whole: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>) {
    let problem = |what: &str| {
        let error = verify(whole).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    };
    let restore = |path: &Path| fs::write(whole.join(path), &expected[path]).unwrap();
    for path in expected.keys().filter(|path| !path.ends_with("manifest.json")) {
        let mut bytes = expected[path].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(whole.join(path), &bytes).unwrap();
        problem("was changed");
        restore(path);
    }
    let (first, _) = expected.iter().find(|(path, _)| path.starts_with("pieces")).unwrap();
    fs::remove_file(whole.join(first)).unwrap();
    problem("is missing");
    restore(first);
    fs::write(whole.join("pieces/more.json"), b"{}").unwrap();
    problem("not in the manifest");
    fs::remove_file(whole.join("pieces/more.json")).unwrap();
    // What people put beside it is their own.
    fs::write(whole.join("run.log"), b"slurm").unwrap();
    verify(whole).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/zero", whole.join("pieces/endless.json")).unwrap();
        problem("no ordinary file");
        fs::remove_file(whole.join("pieces/endless.json")).unwrap();
        fs::rename(whole.join("masks"), whole.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(whole.join("elsewhere"), whole.join("masks")).unwrap();
        problem("no ordinary file");
        fs::remove_file(whole.join("masks")).unwrap();
        fs::rename(whole.join("elsewhere"), whole.join("masks")).unwrap();
    }

    // A forger who writes the manifest anew is found by what follows from what.
    let forged = |path: &str, from: &str, to: &str| {
        let path = Path::new(path);
        let text = String::from_utf8(expected[path].clone()).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(whole.join(path), text.replacen(from, to, 1)).unwrap();
        Manifest::seal(whole).unwrap();
    };
    forged("results.json", "\"value\": 1.", "\"value\": 0.");
    problem("not what the pieces give");
    restore(Path::new("results.json"));
    forged("report.html", "bias", "bios");
    problem("report.html is not made of");
    restore(Path::new("report.html"));
    let found = expected.iter().find(|(path, bytes)| {
        path.starts_with("pieces") && String::from_utf8_lossy(bytes).contains(".safetensors")
    });
    let (found, bytes) = found.unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let at = text.find(".safetensors").unwrap();
    let name = text[..at].rfind('"').unwrap() + 1;
    let forged_name = sealed(&format!("{}../../{}", &text[..name], &text[name..]));
    fs::write(whole.join(found), forged_name).unwrap();
    Manifest::seal(whole).unwrap();
    problem("names a mask that is not in the manifest");
    restore(found);
    forged("prompts.json", "\"people\":[{", "\"people\":[],\"were\":[{");
    problem("not what was asked");
    restore(Path::new("prompts.json"));
    let tested = expected.iter().find(|(path, bytes)| {
        path.starts_with("pieces") && String::from_utf8_lossy(bytes).contains("\"tested\"")
    });
    let (tested, bytes) = tested.unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let other = text.replacen("\"mean\":", "\"mean\":1", 1);
    fs::write(whole.join(tested), &other).unwrap();
    Manifest::seal(whole).unwrap();
    problem("does not match its own hash");
    fs::write(whole.join(tested), sealed(&other)).unwrap();
    Manifest::seal(whole).unwrap();
    problem("not what the pieces give");
    restore(tested);
    // A piece that lost a person, or whose answers are of more draws than there were.
    let answers = expected.iter().find(|(path, bytes)| {
        path.starts_with("pieces")
            && String::from_utf8_lossy(bytes).contains("\"piece\":{\"answers\"")
    });
    let (answers, bytes) = answers.unwrap();
    let piece: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let mut shorter = piece.clone();
    shorter["content"][0]["people"].as_array_mut().unwrap().pop();
    let mut drawn = piece.clone();
    drawn["content"][0]["people"][0]["answers"]["answers"][0]["draw"] = 7.into();
    for tampered in [shorter, drawn] {
        fs::write(whole.join(answers), sealed(&tampered.to_string())).unwrap();
        Manifest::seal(whole).unwrap();
        problem("answers about other people, or to other draws");
    }
    // A number of draws that nobody could go through one by one.
    let mut endless = piece;
    for person in endless["content"][0]["people"].as_array_mut().unwrap() {
        person["answers"]["draws"] = u32::MAX.into();
        person["answers"]["answers"][0]["draw"] = 0.into();
    }
    fs::write(whole.join(answers), sealed(&endless.to_string())).unwrap();
    Manifest::seal(whole).unwrap();
    problem("not what the pieces give");
    restore(answers);
    forged("results.json", "\"layers\": ", "\"layers\": 1099511627776, \"were\": ");
    problem("layers is 1099511627776");
    restore(Path::new("results.json"));
    Manifest::seal(whole).unwrap();
    verify(whole).unwrap();
}

#[test]
fn folders_that_are_no_study_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = verify(folder.path()).unwrap_err().to_string();
    assert!(error.contains("manifest.json"), "{error}");
    fs::write(folder.path().join("manifest.json"), b"{\"format\": \"bias-manifest/9\"}").unwrap();
    let error = verify(folder.path()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("bias-manifest/9") && cause.contains("bias-manifest/1"), "{cause}");
    fs::write(folder.path().join("provenance.json"), b"not json").unwrap();
    let Err(error) = study(&prompts(1, [2, 2]), options(folder.path(), None)) else {
        panic!("a study was begun")
    };
    assert!(error.to_string().contains("provenance.json"), "{error}");
}
