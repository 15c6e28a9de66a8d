//! What is written is whole, for whom the umask says, and the same each time.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bias_files::{
    Tensor, create_folder, f32_bytes, f32s, f64_bytes, f64s, hex, save_tensors, sha256_of_file,
    write_folder, write_whole, write_with,
};
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_is_whole_or_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_whole(&path, b"one").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one");
    let failed = write_with(&path, |file| {
        file.write_all(b"tw")?;
        Err(io::Error::other("full"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "full");
    assert_eq!(fs::read(&path).unwrap(), b"one");
    write_whole(&path, b"three").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"three");
    assert_eq!(names(folder.path()), ["file"]);
    assert!(write_whole(&folder.path().join("no/file"), b"").is_err());
}

#[cfg(unix)]
/// The file would take the place of `/dev/null`, for every other program too.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, link) = (folder.path().join("socket"), folder.path().join("link"));
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::os::unix::fs::symlink(&socket, &link).unwrap();
    for path in [socket.as_path(), &link, Path::new("/dev/null")] {
        let error = write_whole(path, b"x").unwrap_err();
        assert!(error.to_string().contains("name a file"), "{error}");
        assert!(!fs::metadata(path).unwrap().is_file(), "{}", path.display());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside them");
}

#[test]
fn modes_are_those_of_new_files_and_folders() {
    let place = tempfile::tempdir().unwrap();
    let [plain, own] = ["plain", "own"].map(|name| place.path().join(name));
    fs::write(&plain, "").unwrap();
    write_whole(&own, b"").unwrap();
    assert_eq!(mode(&own), mode(&plain));
    let [plain, own] = ["plain folder", "own folder"].map(|name| place.path().join(name));
    fs::create_dir(&plain).unwrap();
    write_folder::<io::Error>(&own, |_, error| error, |_| Ok(())).unwrap();
    assert_eq!(mode(&own), mode(&plain));
}

#[test]
fn a_folder_is_whole_or_not_there() {
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("a/b/folder");
    let named =
        |path: PathBuf, error: io::Error| io::Error::other(format!("{}: {error}", path.display()));
    let fill = |folder: &Path| {
        fs::create_dir(folder.join("in"))?;
        fs::write(folder.join("in/file"), "text")
    };
    let failed =
        write_folder(&target, named, |folder| fill(folder).and(Err(io::Error::other("full"))));
    assert_eq!(failed.unwrap_err().to_string(), "full");
    assert_eq!(names(&place.path().join("a/b")), [""; 0]);
    write_folder(&target, named, fill).unwrap();
    assert_eq!(fs::read(target.join("in/file")).unwrap(), b"text");
    assert_eq!(names(&place.path().join("a/b")), ["folder"]);
    // A place that is taken is not written over.
    assert!(write_folder(&target, named, fill).unwrap_err().to_string().contains("folder: "));
    assert_eq!(names(&place.path().join("a/b")), ["folder"]);
}

#[test]
fn hashes_are_sha_256_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "abc").unwrap();
    // FIPS 180-4, B.1.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256_of_file(&path).unwrap(), expected);
    assert_eq!(hex(&[0x00, 0x0a, 0xff]), "000aff");
    assert!(sha256_of_file(folder.path()).is_err());
}

/// The bytes are those of safetensors' own crate, but for the order of several metadata.
#[test]
fn tensors_are_as_safetensors_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let (floats, doubles, bytes) = (f32_bytes(&[1.0, -0.0]), f64_bytes(&[2.5]), [7u8, 8, 9]);
    let views = || {
        [
            ("b", TensorView::new(Dtype::F32, vec![1, 2], &floats).unwrap()),
            ("a", TensorView::new(Dtype::U8, vec![3], &bytes).unwrap()),
            ("c", TensorView::new(Dtype::F64, vec![1], &doubles).unwrap()),
            ("\"odd\" name", TensorView::new(Dtype::F32, vec![2, 1], &floats).unwrap()),
        ]
    };
    let own = || {
        [
            ("a".to_owned(), Tensor::u8(&bytes[..])),
            ("\"odd\" name".to_owned(), Tensor::f32(vec![2, 1], &[1.0, -0.0])),
            ("b".to_owned(), Tensor::f32(vec![1, 2], &[1.0, -0.0])),
            ("c".to_owned(), Tensor::f64(vec![1], &[2.5])),
        ]
    };
    for metadata in [None, Some(("format", "pt"))] {
        let theirs =
            metadata.map(|(key, value)| HashMap::from([(key.to_owned(), value.to_owned())]));
        let ours =
            metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        save_tensors(&path, own(), &ours).unwrap();
        assert_eq!(fs::read(&path).unwrap(), safetensors::serialize(views(), theirs).unwrap());
    }
    save_tensors(&path, [], &BTreeMap::new()).unwrap();
    let none: [(&str, TensorView<'_>); 0] = [];
    assert_eq!(fs::read(&path).unwrap(), safetensors::serialize(none, None).unwrap());
    let many: BTreeMap<String, String> =
        (0..40).map(|i| (format!("key {i}"), format!("{{\"{i}\"}}"))).collect();
    for tensors in [own().to_vec(), Vec::new()] {
        save_tensors(&path, tensors.clone(), &many).unwrap();
        let first = fs::read(&path).unwrap();
        save_tensors(&path, tensors.into_iter().rev(), &many).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        let (_, read) = SafeTensors::read_metadata(&first).unwrap();
        assert_eq!(read.metadata().clone().unwrap(), many.clone().into_iter().collect());
    }
    let misfit = [("a".to_owned(), Tensor::f32(vec![3], &[1.0]))];
    assert!(save_tensors(&path, misfit, &BTreeMap::new()).is_err());
}

proptest! {
    #[test]
    fn numbers_come_back_from_their_bytes(bits in prop::collection::vec(any::<u64>(), 0..40), skip in 0usize..9) {
        let doubles: Vec<f64> = bits.iter().map(|bits| f64::from_bits(*bits)).collect();
        let floats: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits as u32)).collect();
        let one_by_one: Vec<u8> = floats.iter().flat_map(|value| value.to_le_bytes()).collect();
        prop_assert_eq!(&*f32_bytes(&floats), &one_by_one[..]);
        // Wherever they lie.
        let moved = |bytes: &[u8]| [&vec![0; skip][..], bytes].concat();
        let found = f32s(&moved(&f32_bytes(&floats))[skip..]);
        prop_assert!(found.iter().map(|v| v.to_bits()).eq(floats.iter().map(|v| v.to_bits())));
        let found = f64s(&moved(&f64_bytes(&doubles))[skip..]);
        prop_assert!(found.iter().map(|v| v.to_bits()).eq(doubles.iter().map(|v| v.to_bits())));
        let rest = [&f64_bytes(&doubles)[..], &[1, 2, 3]].concat();
        prop_assert_eq!(f64s(&rest).len(), doubles.len());
    }
}

#[test]
fn folders_are_made_with_all_above_them() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    for _ in 0..2 {
        create_folder(&deep).unwrap();
        assert!(deep.is_dir());
    }
    let file = deep.join("file");
    fs::write(&file, "").unwrap();
    for refused in [&file, &file.join("below")] {
        assert!(create_folder(refused).is_err(), "{}", refused.display());
    }
}
