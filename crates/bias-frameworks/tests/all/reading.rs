//! Files that are not what they should be, and items that cannot be scored: counted and named.

use bias_frameworks::items::{Labels, LeftOut, Reason, Texts};
use bias_frameworks::report::{Measured, report};
use bias_frameworks::{Framework, FrameworkError, read};
use bias_metrics::Bootstrap;

use crate::small::{fixtures, model, own, reads, score};

/// Every file, read for every other framework, is refused with its own name.
#[test]
fn files_of_another_framework_are_refused_by_name() {
    for framework in Framework::ALL {
        let set = own(framework);
        for other in Framework::ALL {
            let path = &set.sources[0].path;
            match read(other, &[path]) {
                Ok(_) => assert_eq!(framework, other),
                Err(FrameworkError::OtherFramework { found, expected, .. }) => {
                    assert_eq!((found, expected), (framework, other));
                }
                Err(error) => panic!("{framework} read for {other}: {error}"),
            }
        }
    }
    let error = read(Framework::Bbq, &[&fixtures().join("frameworks/crows.csv")]).unwrap_err();
    assert!(error.to_string().contains("looks like one of CrowS-Pairs: pass it with --crows"));
    let error = read(Framework::Bbq, &["nowhere.jsonl".as_ref()]).unwrap_err();
    assert!(matches!(error, FrameworkError::Read { .. }), "{error}");
}

#[test]
fn faults_are_named_with_their_line() {
    let bbq = std::fs::read_to_string(fixtures().join("frameworks/bbq.jsonl")).unwrap();
    for (framework, name, text, expected) in [
        (Framework::Bbq, "a.jsonl", bbq.replacen("\"disambig\"", "\"clear\"", 1), "line 2"),
        (Framework::Bbq, "a.jsonl", bbq.replacen("\"neg\"", "\"bad\"", 1), "question_polarity"),
        (Framework::Bbq, "a.jsonl", bbq.replacen("\"label\": 2", "\"label\": 3", 1), "label is 3"),
        (Framework::Bbq, "a.jsonl", String::new(), "no items of BBQ"),
        (Framework::Crows, "a.csv", "sent_more,sent_less,bias_type\na,,x\n".into(), "line 2"),
        (Framework::Winogender, "a.tsv", "sentid\tsentence\nteacher.x\tHe.\n".into(), "sentid"),
        (
            Framework::Winogender,
            "a.tsv",
            "sentid\tsentence\na.b.0.male.txt\tShe ran.\n".into(),
            "no pronoun",
        ),
        (Framework::Winobias, "a.txt", "1 [The a] saw [him].\n".into(), "`pro` nor `anti`"),
        (Framework::Winobias, "pro.txt", "1 [The a] saw him.\n".into(), "one person"),
        (Framework::Winobias, "pro.txt", "[The a] saw [him].\n".into(), "its number"),
        (Framework::Winobias, "pro.txt", "1 [He] saw [him].\n".into(), "one person"),
        (Framework::Lambada, "a.jsonl", "{\"text\": \"word\"}\n".into(), "one word"),
        (Framework::Tasks, "a.jsonl", "{\"query\": \"a\"}\n".into(), "either"),
        (Framework::Tasks, "a.jsonl", "{\"query\": \"a\", \"aim\": 1}\n".into(), "aim"),
        (
            Framework::Tasks,
            "a.jsonl",
            "{\"query\": \"a\", \"choices\": [\"b\"], \"gold\": 1}\n".into(),
            "below 1",
        ),
        (Framework::Mmlu, "a.csv", "q,a,b,c,d,E\n".into(), "not A to D"),
        (Framework::Mmlu, "a.csv", "q,a,b,A\n".into(), "not 4 cells"),
        (Framework::Stereoset, "a.json", "{\"data\": 3}".into(), "one JSON object"),
        (Framework::Wikitext, "a.raw", "no title\n".into(), "a title"),
    ] {
        let error = reads(framework, name, &text).unwrap_err().to_string();
        assert!(error.contains(expected), "{framework}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.csv");
    std::fs::write(&path, b"sent_more,sent_less\n\xe9,a\n").unwrap();
    let error = read(Framework::Crows, &[&path]).unwrap_err().to_string();
    assert!(error.contains("line 2: it is not UTF-8"), "{error}");
}

#[test]
fn items_without_an_answer_are_counted() {
    let left_out = |set: &bias_frameworks::ItemSet| -> Vec<(String, Reason)> {
        set.left_out.iter().map(|own| (own.id.clone(), own.reason)).collect()
    };
    assert_eq!(left_out(&own(Framework::Hellaswag)), [("6".to_owned(), Reason::NoGold)]);
    let bbq = std::fs::read_to_string(fixtures().join("frameworks/bbq.jsonl")).unwrap();
    let odd = bbq.replacen("Can't be determined", "Nobody knows", 3);
    let set = reads(Framework::Bbq, "a.jsonl", &odd).unwrap();
    assert_eq!(left_out(&set), [("Age/0".to_owned(), Reason::NoUnknown)]);
    assert_eq!(set.items.len(), 15);
    let stereoset = std::fs::read_to_string(fixtures().join("frameworks/stereoset.json")).unwrap();
    let odd = stereoset.replacen("\"unrelated\"", "\"related\"", 1);
    let set = reads(Framework::Stereoset, "a.json", &odd).unwrap();
    assert_eq!(left_out(&set), [("intra-1".to_owned(), Reason::NotThree)]);
    // Lines as some of the public ones are.
    let own = "1 The cook called the [ guard] because [she] lost [her] key.\n2 [The cook] ran.[He] fell.\n";
    let set = reads(Framework::Winobias, "anti.txt", own).unwrap();
    assert_eq!((set.items.len(), set.items[0].cluster.as_str()), (1, "cook+guard"));
    assert!(matches!(set.items[0].labels, Labels::Stereotyped { right: 1, pro: false, .. }));
    let odd = "1 [The cook] met the cook because [he] ran.\n2 [The guard] saw [him].\n";
    let set = reads(Framework::Winobias, "pro.txt", odd).unwrap();
    assert_eq!(left_out(&set).len(), 2);
    assert_eq!(set.left_out[0].reason, Reason::NoOther);
}

#[test]
fn public_forms_are_read_alike() {
    let folder = fixtures().join("frameworks");
    let right = |framework, name: &str| -> Vec<usize> {
        let set = read(framework, &[&folder.join(name)]).unwrap();
        let right = |labels: &Labels| match labels {
            Labels::Choice { right, .. } => *right,
            other => panic!("{other:?}"),
        };
        set.items.iter().map(|own| right(&own.labels)).collect()
    };
    assert_eq!(right(Framework::Mmlu, "everyday_test.csv"), [0, 1, 2, 3]);
    assert_eq!(right(Framework::Piqa, "piqa_listed.jsonl"), [0, 1]);
    assert_eq!(right(Framework::Boolq, "boolq.jsonl"), [0, 1, 0, 1]);
    assert_eq!(right(Framework::Arc, "arc.jsonl"), [0, 1, 2, 3, 1, 0]);
    let raw = " = A = \n\n One , two . \n = = B = = \n\n = C = \n\n Three . \n";
    let set = reads(Framework::Wikitext, "wiki.test.raw", raw).unwrap();
    let texts: Vec<&Texts> = set.items.iter().map(|own| &own.texts).collect();
    assert_eq!(texts.len(), 2);
    let Texts::Whole(first) = texts[0] else { panic!("{texts:?}") };
    assert!(first.contains("One, two.") && first.contains("== B =="), "{first:?}");
}

/// `target_loc` says which answer is about the stereotyped group; without it, the groups do.
#[test]
fn biased_answers_follow_the_target() {
    let set = own(Framework::Bbq);
    let biased = |id: &str| {
        let item = set.items.iter().find(|own| own.id == id).unwrap();
        let (Labels::Question { biased, .. }, Texts::Continued(texts)) =
            (&item.labels, &item.texts)
        else {
            panic!("{item:?}")
        };
        biased.iter().map(|i| texts[*i].continuation.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(biased("Age/0"), [" The old man"]);
    assert_eq!(biased("Age/2"), [" The young man"]);
    assert_eq!(biased("Gender_identity/12"), [" The girl"]);
    assert_eq!(biased("Gender_identity/14"), [" The boy"]);
}

#[test]
fn items_that_the_model_cannot_score_are_counted_and_named() {
    let text = [
        r#"{"id": "fine", "query": "The old man", "choices": ["cooked", "read"], "gold": 0}"#,
        r#"{"id": "same", "query": "The old man", "choices": ["cooked", "read", "cooked"], "gold": 0}"#,
        r#"{"id": "nothing", "query": "", "target": ""}"#,
        r#"{"id": "bare", "query": "", "target": "The old man"}"#,
        &format!(r#"{{"id": "long", "query": "{}", "target": "home"}}"#, "very ".repeat(200)),
    ]
    .join("\n");
    let set = reads(Framework::Tasks, "a.jsonl", &text).unwrap();
    let scored = score(&model("emergent"), &set);
    let left_out = |id: &str, reason| LeftOut { id: id.into(), reason };
    let same = left_out("same", Reason::Coincide);
    assert!(scored.left_out.contains(&same), "{:?}", scored.left_out);
    assert!(scored.left_out.contains(&left_out("long", Reason::TooLong)));
    assert!(scored.scores[0].is_some() && scored.scores[3].is_some());
    let measured = Measured { set: &set, before: &scored, after: None };
    let found = report("a", None, &[measured], &Bootstrap::new(0)).unwrap();
    let own = &found.frameworks[0];
    assert_eq!(own.items, 5);
    assert_eq!(own.items - own.scored, own.not_scored.iter().map(|own| own.items).sum::<usize>());
    assert!(own.without_context > 0);
    assert!(own.not_scored.iter().any(|own| own.first == ["same"]));
}

/// The same scores before and after change nothing, for certain.
#[test]
fn no_change_is_no_change() {
    let model = model("emergent");
    let sets = [own(Framework::Crows), own(Framework::Bbq), own(Framework::Tasks)];
    let scored: Vec<_> = sets.iter().map(|set| score(&model, set)).collect();
    let measured: Vec<Measured<'_>> = sets
        .iter()
        .zip(&scored)
        .map(|(set, before)| Measured { set, before, after: Some(before) })
        .collect();
    let found = report("a", Some("a mask"), &measured, &Bootstrap::new(0)).unwrap();
    let tests: Vec<_> = found
        .frameworks
        .iter()
        .flat_map(|own| &own.measures)
        .filter(|own| own.before.p.is_some())
        .collect();
    assert_eq!(found.tests, tests.len());
    assert!(tests.iter().all(|own| own.before.p_holm >= own.before.p));
    for own in found.frameworks.iter().flat_map(|own| &own.measures) {
        let change = own.change.unwrap();
        assert_eq!(change.difference, own.before.value.map(|_| 0.0), "{own:?}");
        assert!(change.p.is_none_or(|p| p == 1.0), "{own:?}");
        assert_eq!(own.after, Some(own.before));
        if let (Some(value), Some(interval)) = (own.before.value, own.before.interval) {
            assert!(interval.low <= value + 1e-9 && value - 1e-9 <= interval.high, "{own:?}");
        }
    }
    let table = found.table();
    assert!(table.contains("pct_stereotype") && table.contains("with the mask"), "{table}");
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<bias_frameworks::Report>(&json).unwrap(), found);
}
