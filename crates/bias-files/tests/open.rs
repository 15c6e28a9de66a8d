//! What is no file is not waited for, and what is too large is not read.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use bias_files::{
    Refused, open_file, open_file_with, open_input, read_file, read_input, sha256_of_file,
};

/// Pipes, sockets, folders and devices, each with what it is called.
fn odd(folder: &Path) -> Vec<(PathBuf, &'static str)> {
    let [pipe, socket, link] = ["pipe", "socket", "link"].map(|name| folder.join(name));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    drop(UnixListener::bind(&socket).unwrap());
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    let folder = folder.to_owned();
    let zero = Path::new("/dev/zero").to_owned();
    [
        (pipe, "a pipe"),
        (link, "a pipe"),
        (socket, "a socket"),
        (folder, "a folder"),
        (zero, "a device"),
    ]
    .into()
}

fn refused<T>(tried: io::Result<T>) -> Refused {
    Refused::of(&tried.err().unwrap()).unwrap()
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (path, found) in odd(folder.path()) {
        let expected = Refused::NotAFile { found };
        assert_eq!(refused(open_file(&path)), expected, "{}", path.display());
        assert_eq!(refused(open_input(&path)), expected);
        assert_eq!(refused(read_file(&path, 10)), expected);
        assert_eq!(refused(sha256_of_file(&path)), expected);
        let options = &mut File::options();
        assert_eq!(refused(open_file_with(&path, options.read(true).append(true))), expected);
        assert!(expected.to_string().contains(found));
    }
    let missing = folder.path().join("missing");
    assert_eq!(open_file(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_file_is_opened_behind_a_link_too() {
    let folder = tempfile::tempdir().unwrap();
    let [path, link] = ["file", "link"].map(|name| folder.path().join(name));
    let mut file =
        open_file_with(&path, File::options().read(true).append(true).create(true)).unwrap();
    file.write_all(b"[1]").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(read_file(&link, 3).unwrap(), b"[1]");
    assert_eq!(read_input(&link, 3).unwrap(), b"[1]");
}

#[test]
fn a_file_larger_than_its_kind_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    let (found, most) = (1 << 40, 1 << 20);
    File::create(&path).unwrap().set_len(found).unwrap();
    let error = read_file(&path, most).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(Refused::of(&error), Some(Refused::TooLarge { found, most }));
    assert!(error.to_string().contains("1099511627776 bytes"), "{error}");
    fs::write(&path, [7; 20]).unwrap();
    assert_eq!(read_file(&path, 20).unwrap().len(), 20);
    assert_eq!(refused(read_file(&path, 19)), Refused::TooLarge { found: 20, most: 19 });
    assert_eq!(Refused::of(&io::Error::other("else")), None);
}

/// What a shell hands over as `<(command)` is read to its end, and no further than allowed.
#[test]
fn a_pipe_that_is_open_already_is_read() {
    let read = |text: &'static [u8], most| {
        let (reader, mut writer) = io::pipe().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(text));
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        assert_eq!(refused(read_file(&path, most)), Refused::NotAFile { found: "a pipe" });
        let found = read_input(&path, most);
        writing.join().unwrap().unwrap();
        found
    };
    assert_eq!(read(b"scenario,name", 13).unwrap(), b"scenario,name");
    assert_eq!(refused(read(b"scenario,name", 12)), Refused::TooLarge { found: 13, most: 12 });
}
