//! A pipe, a folder or a device in the place of a file is named at once, whatever the file is for.
//! What a shell hands over is read.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bias::{self, run};
use crate::program::{repository, small};

/// Each argument that names a file to read; `FILE` stands for the file.
const READ: &[(&str, &str)] = &[
    ("audit", "--prompts FILE"),
    ("audit", "--answers FILE"),
    ("compare", "FILE other.json"),
    ("frameworks", "--crows FILE"),
    ("frameworks", "--bbq FILE"),
    ("frameworks", "--model model --crows crows.csv --mask FILE"),
    ("generalize", "--render FILE"),
    ("pairs", "--model model --pairs FILE"),
    ("prune", "--model model --mask FILE"),
    ("study", "--render FILE"),
    ("study", "--neutral FILE"),
];

/// Files of a model's folder.
const OF_A_MODEL: &[&str] = &["config.json", "model.safetensors", "tokenizer.json"];

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn pipes_folders_and_devices_are_named_at_once() {
    let folder = small(2);
    let crows = repository("fixtures/frameworks/crows.csv");
    fs::copy(crows, folder.path().join("crows.csv")).unwrap();
    fifo(&folder.path().join("pipe"));
    fs::create_dir(folder.path().join("inner")).unwrap();
    for (name, args) in READ {
        for (file, found) in [("pipe", "a pipe"), ("inner", "a folder"), ("/dev/zero", "a device")]
        {
            // A study's folder stands for its results.
            if (*name, file) == ("compare", "inner") {
                continue;
            }
            run(name, folder.path(), &args.replace("FILE", file)).refused(file, &[found]);
        }
    }
    for name in OF_A_MODEL {
        let path = folder.path().join("model").join(name);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fifo(&path);
        run("audit", folder.path(), "--model model").refused(name, &[]);
        fs::remove_file(&path).unwrap();
        fs::write(&path, kept).unwrap();
    }
}

/// As in `bias audit --answers <(zcat answers.csv.gz)`, and by standard input.
#[test]
fn what_a_shell_hands_over_is_read() {
    let folder = small(2);
    run("audit", folder.path(), "--model model --samples 4 --save-answers said.csv").done();
    let direct = run("audit", folder.path(), "--answers said.csv --json").done();
    let given = |args: &str| {
        let said = fs::File::open(folder.path().join("said.csv")).unwrap();
        let mut pipe = Command::new("cat").stdin(said).stdout(Stdio::piped()).spawn().unwrap();
        let ran = Command::new(bias::file())
            .args(args.split_whitespace())
            .current_dir(folder.path())
            .stdin(pipe.stdout.take().unwrap())
            .output()
            .unwrap();
        pipe.wait().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    for path in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let found = given(&format!("audit --answers {path} --json"));
        assert_eq!(found.lines().count(), direct.lines().count(), "{path}");
    }
}
