//! `bias generalize`: run in parts, put together, shown again, written into a page.

use std::fs;

use crate::bias::run;
use crate::program::{repository, small};

#[test]
fn a_protocol_is_run_in_parts_and_shown() {
    let folder = small(8);
    let path = folder.path();
    let tasks = repository("fixtures/frameworks/tasks_embedded.jsonl");
    let asked = format!(
        "--model model --prompts my.csv --neutral model/neutral.txt --also tasks={} --recognition \
         --methods signed-gap,projection --homes commercial,hiring --levels 0.2 --most 0.02 \
         --probes 1 --rival projection --formats preamble --preamble Read-this. --names 2,4 \
         --attribution-names 2",
        tasks.display()
    );
    for part in 0..2 {
        let said = run("generalize", path, &format!("{asked} --shard {part}/2 --out part{part}"));
        assert!(said.done().contains("Finished this part"));
        assert!(!path.join(format!("part{part}/generalize.json")).exists());
    }
    fs::write(path.join("page.md"), "# Page\n\n<!-- tiny:begin -->\n<!-- tiny:end -->\n").unwrap();
    let ran = run(
        "generalize",
        path,
        &format!(
            "{asked} --merge part0 part1 --out whole --time-limit 60 --into page.md --section tiny"
        ),
    );
    assert!(ran.err.contains("→ 2 home(s)"), "{}", ran.err);
    let said = ran.done();
    for part in ["Does it generalise? model", "What could be found", "(a) One context"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let results = fs::read(path.join("whole/generalize.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(json["format"], "bias-generalize/3");
    assert_eq!(json["names"]["tested"], serde_json::json!([4, 4]));
    assert_eq!(json["claims"].as_array().unwrap().len(), 4);
    for name in ["pareto.svg", "timing.json", "provenance.json"] {
        assert!(path.join("whole").join(name).exists(), "{name}");
    }
    let page = fs::read_to_string(path.join("page.md")).unwrap();
    assert!(page.contains("curves/generalize-tiny.svg") && page.contains("| claim |"), "{page}");
    assert!(path.join("curves/generalize-tiny.svg").exists());
    assert!(page.contains("(page/tiny.md)"), "{page}");
    let details = fs::read_to_string(path.join("page/tiny.md")).unwrap();
    assert!(
        details.starts_with("# tiny\n") && details.contains("What could be found"),
        "{details}"
    );

    // Shown again, it is the same; a page without the marks is refused and stays.
    let again = run("generalize", path, "--render whole/generalize.json --out again").done();
    assert!(said.starts_with(again.trim_end()), "{again}");
    fs::write(path.join("other.md"), "nothing").unwrap();
    let args = "--render whole/generalize.json --out again --into other.md --section tiny";
    run("generalize", path, args).refused("--into", &["<!-- tiny:begin -->"]);
    assert_eq!(fs::read_to_string(path.join("other.md")).unwrap(), "nothing");
    run("generalize", path, &format!("{asked} --seed 1 --out whole"))
        .refused("another study", &["--seed"]);
}
