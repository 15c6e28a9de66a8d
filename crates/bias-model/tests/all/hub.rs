//! Models of the Hugging Face hub: found in its cache layout, and downloaded from a hub
//! that this file plays itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bias_mask::Mask;
use bias_model::hub::{Hub, HubId};
use bias_model::interop::{Reference, export_masked};
use bias_model::{Checkpoint, LanguageModel, ModelError, Weights as _};
use burn::backend::Flex;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const SHARD: &str = "model-00003-of-00005.safetensors";

fn golden(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case)
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read(&path).unwrap()))
        .filter(|(name, _): &(String, _)| name != "expected.safetensors")
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    bias_files::hex(&Sha256::digest(bytes))
}

/// A cache that holds one model as the hub's tools lay it out: blobs, and a snapshot of links.
struct Cached {
    folder: TempDir,
    repository: PathBuf,
    snapshot: PathBuf,
}

fn cached(case: &str) -> Cached {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("models--org--name");
    let snapshot = repository.join("snapshots").join(COMMIT);
    for inner in ["blobs", "refs", "snapshots"] {
        fs::create_dir_all(repository.join(inner)).unwrap();
    }
    fs::create_dir(&snapshot).unwrap();
    for (name, bytes) in files(&golden(case)) {
        let blob = sha256(&bytes);
        fs::write(repository.join("blobs").join(&blob), bytes).unwrap();
        symlink(Path::new("../../blobs").join(blob), snapshot.join(name)).unwrap();
    }
    let cached = Cached { folder, repository, snapshot };
    cached.set_ref("main", COMMIT);
    cached
}

impl Cached {
    fn hub(&self) -> Hub {
        Hub::at(self.folder.path()).offline(true)
    }

    fn set_ref(&self, revision: &str, commit: &str) {
        let path = self.repository.join("refs").join(revision);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, commit).unwrap();
    }

    fn resolve(&self, id: &str) -> Result<PathBuf, ModelError> {
        self.hub().resolve(&id.parse().unwrap())
    }
}

fn id(text: &str) -> HubId {
    text.parse().unwrap()
}

fn load(folder: &Path) -> LanguageModel<Flex> {
    LanguageModel::load(folder, &Default::default()).unwrap()
}

fn fingerprint(folder: &Path) -> String {
    Checkpoint::open(folder).unwrap().fingerprint().unwrap().to_owned()
}

#[test]
fn cached_models_load_without_a_network() {
    for case in ["gqa_sharded", "tied_bf16"] {
        let cached = cached(case);
        let folder = cached.resolve("org/name").unwrap();
        assert_eq!(folder, cached.snapshot);
        let model = load(&folder);
        assert_eq!(model.model().fingerprint().unwrap(), Some(fingerprint(&golden(case)).as_str()));
        let prompts: serde_json::Value =
            serde_json::from_slice(&fs::read(golden("prompts.json")).unwrap()).unwrap();
        let prompts = serde_json::from_value(prompts["prompts"].clone()).unwrap();
        let reference =
            Reference::load(&golden(case).join("expected.safetensors"), prompts).unwrap();
        assert!(reference.compare(model.model()).unwrap().logits < 1e-4);
    }
}

#[test]
fn a_whole_snapshot_is_taken_without_asking_the_hub() {
    let cached = cached("tied_bf16");
    // Nobody listens there.
    let online = cached.hub().offline(false).endpoint("http://127.0.0.1:1");
    assert_eq!(online.resolve(&id("org/name")).unwrap(), cached.snapshot);
    let error = online.resolve(&id("org/other")).unwrap_err();
    assert!(matches!(&error, ModelError::Download { id, .. } if id == "org/other"), "{error}");
}

#[test]
fn revisions_are_branches_tags_commits_and_refs() {
    let cached = cached("tied_bf16");
    cached.set_ref("v1.0", &format!("{COMMIT}\n"));
    cached.set_ref("refs/pr/1", COMMIT);
    for revision in ["main", "v1.0", "refs/pr/1", COMMIT] {
        assert_eq!(
            cached.resolve(&format!("org/name@{revision}")).unwrap(),
            cached.snapshot,
            "{revision}"
        );
    }
}

#[test]
fn copies_of_a_snapshot_are_files_and_not_links() {
    let cached = cached("gqa_sharded");
    let copy = cached.folder.path().join("copy");
    let mask = Mask::default().for_model(Some(&fingerprint(&cached.snapshot)));
    export_masked(&cached.snapshot, &bias_model::LoadOptions::default(), &mask, &copy).unwrap();
    fs::remove_dir_all(&cached.repository).unwrap();
    assert_eq!(fingerprint(&copy), fingerprint(&golden("gqa_sharded")));
    load(&copy);
}

#[test]
fn what_is_not_cached_cannot_be_had_offline() {
    let cached = cached("tied_bf16");
    let other = "f".repeat(40);
    // `refs/pr` is a folder once a pull request is there.
    cached.set_ref("refs/pr/1", COMMIT);
    cached.set_ref("gone", &other);
    for absent in
        ["org/other", "org/name@v2", "org/name@refs/pr", "org/name@main/x", "org/name@gone"]
            .map(String::from)
            .into_iter()
            .chain([format!("org/name@{other}")])
    {
        let error = cached.resolve(&absent).unwrap_err();
        assert!(
            matches!(&error, ModelError::NotCached { id, .. } if *id == absent),
            "{absent}: {error}"
        );
        let text = error.to_string();
        let looked = cached.folder.path().join("models--org--").display().to_string();
        assert!(text.contains(&looked) && text.contains("HF_HUB_OFFLINE"), "{text}");
    }
}

#[test]
fn what_a_snapshot_lacks_is_named() {
    let missing = |case: &str, spoil: &dyn Fn(&Cached)| {
        let cached = cached(case);
        spoil(&cached);
        match cached.resolve("org/name").unwrap_err() {
            ModelError::IncompleteSnapshot { folder, missing, .. } => {
                assert_eq!(folder, cached.snapshot);
                missing
            }
            other => panic!("{other}"),
        }
    };
    let remove =
        |file: &'static str| move |c: &Cached| fs::remove_file(c.snapshot.join(file)).unwrap();
    assert_eq!(missing("gqa_sharded", &remove(SHARD)), [SHARD]);
    assert_eq!(missing("gqa_sharded", &remove("tokenizer.json")), ["tokenizer.json"]);
    assert_eq!(missing("tied_bf16", &remove("config.json")), ["config.json"]);
    assert_eq!(missing("tied_bf16", &remove("model.safetensors")), ["model.safetensors"]);
    // A link whose blob is gone, as an interrupted clean-up leaves it.
    let cut =
        |c: &Cached| fs::remove_file(fs::canonicalize(c.snapshot.join(SHARD)).unwrap()).unwrap();
    assert_eq!(missing("gqa_sharded", &cut), [SHARD]);
    // Weights in pickles are no weights.
    let pickled = |c: &Cached| {
        fs::rename(c.snapshot.join("model.safetensors"), c.snapshot.join("pytorch_model.bin"))
            .unwrap();
    };
    assert_eq!(missing("tied_bf16", &pickled), ["model.safetensors"]);
}

#[test]
fn refs_that_name_no_commit_are_refused() {
    let cached = cached("tied_bf16");
    let outside = cached.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for (name, bytes) in files(&golden("tied_bf16")) {
        fs::write(outside.join(name), bytes).unwrap();
    }
    let absolute = outside.to_str().unwrap();
    for content in
        ["../../outside", absolute, "..", ".", "", "a/b", "a\\b", "a\0b", &"ü".repeat(999)]
    {
        cached.set_ref("main", content);
        let error = cached.resolve("org/name").unwrap_err();
        assert!(matches!(error, ModelError::HubRef { .. }), "{content}: {error}");
        let online = cached.hub().offline(false).endpoint("http://127.0.0.1:1");
        assert!(
            matches!(online.resolve(&id("org/name")), Err(ModelError::HubRef { .. })),
            "{content}"
        );
    }
}

#[test]
fn an_index_cannot_lead_out_of_the_snapshot() {
    for file in
        ["../../../outside.safetensors", "/outside.safetensors", "a\\b.safetensors", "weights.bin"]
    {
        let cached = cached("gqa_sharded");
        let index = cached.snapshot.join("model.safetensors.index.json");
        fs::remove_file(&index).unwrap();
        fs::write(&index, serde_json::json!({ "weight_map": { "x": file } }).to_string()).unwrap();
        let error = cached.resolve("org/name").unwrap_err();
        assert!(
            matches!(&error, ModelError::EscapingShard { file: found, .. } if found == file),
            "{error}"
        );
    }
}

/// A hub that serves one repository on this machine and notes what it was asked for.
struct FakeHub {
    endpoint: String,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    log: Arc<Mutex<Vec<(String, bool)>>>,
}

const TOKEN: &str = "hf_secret";

impl FakeHub {
    fn serve(files: Vec<(String, Vec<u8>)>, commit: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let files = Arc::new(Mutex::new(files.into_iter().collect::<BTreeMap<_, _>>()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (own, noted, commit) = (files.clone(), log.clone(), commit.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client may leave early.
                let _ = answer(stream.unwrap(), &own.lock().unwrap(), &noted, &commit);
            }
        });
        Self { endpoint, files, log }
    }

    fn hub(&self, cache: &Path) -> Hub {
        Hub::at(cache).endpoint(&self.endpoint).token(TOKEN)
    }

    /// The paths asked for since last time, each once.
    fn asked(&self) -> Vec<String> {
        let mut asked = Vec::new();
        for (path, authorised) in self.log.lock().unwrap().drain(..) {
            assert!(authorised, "{path} without token");
            if !asked.contains(&path) {
                asked.push(path);
            }
        }
        asked
    }
}

fn answer(
    mut stream: TcpStream,
    files: &BTreeMap<String, Vec<u8>>,
    log: &Mutex<Vec<(String, bool)>>,
    commit: &str,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap()?;
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        headers
            .iter()
            .find_map(|h| h.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)))
    };
    let authorised =
        header("authorization").is_some_and(|(_, value)| value == format!("Bearer {TOKEN}"));
    log.lock().unwrap().push((path.clone(), authorised));
    let (status, extra, body) = if path.starts_with("/api/models/org/name/revision/") {
        let siblings: Vec<_> =
            files.keys().map(|f| serde_json::json!({ "rfilename": f })).collect();
        let body = serde_json::json!({ "sha": commit, "siblings": siblings }).to_string();
        ("200 OK", String::new(), body.into_bytes())
    } else if let Some(bytes) =
        path.strip_prefix(&format!("/org/name/resolve/{commit}/")).and_then(|file| files.get(file))
    {
        let range = header("range").unwrap().1.strip_prefix("bytes=").unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let from: usize = from.parse().unwrap();
        let to = to.parse().unwrap_or(bytes.len() - 1);
        let extra = format!(
            "ETag: \"{}\"\r\nX-Repo-Commit: {commit}\r\nContent-Range: bytes {from}-{to}/{}\r\n",
            // What the test spoils keeps its name.
            sha256(bytes.strip_suffix(b"spoilt").unwrap_or(bytes)),
            bytes.len()
        );
        ("206 Partial Content", extra, bytes[from..=to].to_vec())
    } else {
        ("404 Not Found", String::new(), Vec::new())
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

/// A model's files and others that nobody should want.
fn published(case: &str) -> Vec<(String, Vec<u8>)> {
    let others = ["pytorch_model.bin", "README.md", "evil.py", "onnx/model.onnx", "../../escape"];
    files(&golden(case))
        .into_iter()
        .chain(others.map(|name| (name.into(), b"x".to_vec())))
        .collect()
}

#[test]
fn only_what_is_needed_is_downloaded_and_only_once() {
    for (case, revision) in [("gqa_sharded", "main"), ("tied_bf16", "refs/pr/1")] {
        let cache = tempfile::tempdir().unwrap();
        let fake = FakeHub::serve(published(case), COMMIT);
        let id = id(&format!("org/name@{revision}"));
        let folder = fake.hub(cache.path()).resolve(&id).unwrap();
        let mut expected: Vec<String> =
            files(&golden(case)).into_iter().map(|(name, _)| name).collect();
        let mut asked = fake.asked();
        assert_eq!(
            asked.remove(0),
            format!("/api/models/org/name/revision/{}", revision.replace('/', "%2F"))
        );
        let mut asked: Vec<String> =
            asked.into_iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect();
        asked.sort();
        expected.sort();
        assert_eq!(asked, expected);
        assert_eq!(
            load(&folder).model().fingerprint().unwrap(),
            Some(fingerprint(&golden(case)).as_str())
        );
        // From now on it is there: online and offline.
        assert_eq!(fake.hub(cache.path()).resolve(&id).unwrap(), folder);
        assert_eq!(Hub::at(cache.path()).offline(true).resolve(&id).unwrap(), folder);
        assert_eq!(fake.asked(), [""; 0]);
    }
}

#[test]
fn what_a_snapshot_lacks_is_downloaded() {
    let cached = cached("gqa_sharded");
    let fake = FakeHub::serve(published("gqa_sharded"), COMMIT);
    fs::remove_file(cached.snapshot.join(SHARD)).unwrap();
    let folder = fake.hub(cached.folder.path()).resolve(&id("org/name")).unwrap();
    assert_eq!(folder, cached.snapshot);
    let asked = fake.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].ends_with(SHARD), "{asked:?}");
    load(&folder);
}

#[test]
fn damaged_downloads_are_not_kept() {
    let cache = tempfile::tempdir().unwrap();
    let fake = FakeHub::serve(published("tied_bf16"), COMMIT);
    let weights = "model.safetensors";
    fake.files.lock().unwrap().get_mut(weights).unwrap().extend(b"spoilt");
    let error = fake.hub(cache.path()).resolve(&id("org/name")).unwrap_err();
    assert!(matches!(&error, ModelError::Download { file, .. } if file == weights), "{error}");
    // No ref yet: offline nothing is there.
    let offline = Hub::at(cache.path()).offline(true).resolve(&id("org/name"));
    assert!(matches!(offline, Err(ModelError::NotCached { .. })));
    let good = fs::read(golden("tied_bf16").join(weights)).unwrap();
    fake.files.lock().unwrap().insert(weights.into(), good);
    load(&fake.hub(cache.path()).resolve(&id("org/name")).unwrap());
}

#[test]
fn models_that_cannot_be_loaded_are_not_downloaded() {
    for (case, gone) in [
        ("tied_bf16", "model.safetensors"),
        ("gqa_sharded", "tokenizer.json"),
        ("gqa_sharded", SHARD),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let fake = FakeHub::serve(published(case), COMMIT);
        fake.files.lock().unwrap().remove(gone);
        let error = fake.hub(cache.path()).resolve(&id("org/name")).unwrap_err();
        assert!(
            matches!(&error, ModelError::IncompleteModel { missing, .. } if missing == &[gone]),
            "{gone}: {error}"
        );
        let asked = fake.asked();
        assert!(asked.iter().all(|path| !path.contains("model-0")), "{asked:?}");
    }
}

#[test]
fn a_hub_that_names_a_path_as_commit_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let fake = FakeHub::serve(published("tied_bf16"), "../../../escape");
    let error = fake.hub(cache.path()).resolve(&id("org/name")).unwrap_err();
    assert!(matches!(error, ModelError::Download { .. }), "{error}");
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}

/// Its base is another repository, or a folder.
#[test]
fn an_adapter_is_downloaded_without_its_base() {
    let cache = tempfile::tempdir().unwrap();
    let fake = FakeHub::serve(published("../forms/adapters/patterns"), COMMIT);
    let folder = fake.hub(cache.path()).resolve(&id("org/name")).unwrap();
    let mut found: Vec<String> = files(&folder).into_iter().map(|(name, _)| name).collect();
    found.sort();
    assert_eq!(found, ["adapter_config.json", "adapter_model.safetensors"]);
    let offline = Hub::at(cache.path()).offline(true);
    assert_eq!(offline.resolve(&id("org/name")).unwrap(), folder);
    let error = Checkpoint::open(&folder).unwrap_err();
    assert!(matches!(&error, ModelError::AdapterBase { .. }), "{error}");
    // One of the two alone is not whole.
    fs::remove_file(folder.join("adapter_model.safetensors")).unwrap();
    let error = offline.resolve(&id("org/name")).unwrap_err();
    let ModelError::IncompleteSnapshot { missing, .. } = &error else { panic!("{error}") };
    assert_eq!(*missing, ["adapter_model.safetensors"]);
}
