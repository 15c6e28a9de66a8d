//! The files of each crate, and its rooms (folders), do not import each other in circles.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::Visit;

/// A module by its names from the crate's root.
type Name = Vec<String>;

/// What a file says.
#[derive(Default)]
struct File {
    /// What is defined in it.
    items: BTreeSet<String>,
    /// What it imports under a name, and from where; whether others see that.
    imports: BTreeMap<String, Name>,
    globs: Vec<Name>,
    /// Every path that it mentions, but those that it only hands on.
    mentions: BTreeSet<Name>,
}

/// Goes through a file without its tests.
struct Reader<'f> {
    module: &'f [String],
    file: File,
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|own| match &own.meta {
        syn::Meta::List(list) => {
            own.path().is_ident("cfg") && list.tokens.to_string().contains("test")
        }
        _ => own.path().is_ident("test"),
    })
}

impl Reader<'_> {
    /// A path from the crate's root. One that leads out of the crate leads nowhere.
    fn rooted(&self, path: &[String]) -> Name {
        let mut own = self.module.to_vec();
        for name in path {
            match name.as_str() {
                "crate" => own.clear(),
                "self" => {}
                "super" => drop(own.pop()),
                _ => own.push(name.clone()),
            }
        }
        own
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String], handed_on: bool) {
        let mut path = before.to_vec();
        match tree {
            syn::UseTree::Path(own) => {
                path.push(own.ident.to_string());
                self.import(&own.tree, &path, handed_on);
            }
            syn::UseTree::Group(own) => {
                own.items.iter().for_each(|tree| self.import(tree, before, handed_on));
            }
            syn::UseTree::Glob(_) => {
                let own = self.rooted(&path);
                if !handed_on {
                    self.file.mentions.insert(own.clone());
                }
                self.file.globs.push(own);
            }
            syn::UseTree::Name(_) | syn::UseTree::Rename(_) => {
                let (name, known) = match tree {
                    syn::UseTree::Rename(own) => (own.ident.to_string(), own.rename.to_string()),
                    syn::UseTree::Name(own) => (own.ident.to_string(), own.ident.to_string()),
                    _ => return,
                };
                if name != "self" {
                    path.push(name);
                }
                let own = self.rooted(&path);
                if !handed_on {
                    self.file.mentions.insert(own.clone());
                }
                self.file.imports.insert(known, own);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (attributes, name) = match item {
            syn::Item::Const(own) => (&own.attrs, Some(&own.ident)),
            syn::Item::Enum(own) => (&own.attrs, Some(&own.ident)),
            syn::Item::Fn(own) => (&own.attrs, Some(&own.sig.ident)),
            syn::Item::Macro(own) => (&own.attrs, own.ident.as_ref()),
            syn::Item::Mod(own) => (&own.attrs, None),
            syn::Item::Static(own) => (&own.attrs, Some(&own.ident)),
            syn::Item::Struct(own) => (&own.attrs, Some(&own.ident)),
            syn::Item::Trait(own) => (&own.attrs, Some(&own.ident)),
            syn::Item::Type(own) => (&own.attrs, Some(&own.ident)),
            syn::Item::Impl(own) => (&own.attrs, None),
            syn::Item::Use(own) => (&own.attrs, None),
            _ => return syn::visit::visit_item(self, item),
        };
        if is_test(attributes) {
            return;
        }
        self.file.items.extend(name.map(ToString::to_string));
        syn::visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, own: &'ast syn::ItemUse) {
        self.import(&own.tree, &[], !matches!(own.vis, syn::Visibility::Inherited));
    }

    fn visit_impl_item_fn(&mut self, own: &'ast syn::ImplItemFn) {
        if !is_test(&own.attrs) {
            syn::visit::visit_impl_item_fn(self, own);
        }
    }

    /// Who may see something is no import.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Name = path.segments.iter().map(|own| own.ident.to_string()).collect();
        self.file.mentions.insert(self.rooted(&names));
        syn::visit::visit_path(self, path);
    }
}

/// The files of a folder and of those in it.
fn read(folder: &Path, module: &[String], files: &mut BTreeMap<Name, File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let inner = || [module, std::slice::from_ref(&stem)].concat();
        if path.is_dir() {
            if stem != "bin" {
                read(&path, &inner(), files);
            }
            continue;
        }
        if path.extension().is_none_or(|own| own != "rs") {
            continue;
        }
        let own = if matches!(stem.as_str(), "mod" | "lib") { module.to_vec() } else { inner() };
        let text = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut reader = Reader { module: &own, file: File::default() };
        reader.visit_file(&text);
        let file = reader.file;
        files.insert(own, file);
    }
}

/// The file that a path leads to, looked through what others hand on.
fn leads_to(files: &BTreeMap<Name, File>, path: &[String], depth: usize) -> Option<Name> {
    if depth == 0 {
        return None;
    }
    let known = (0..=path.len()).rev().find(|n| files.contains_key(&path[..*n]))?;
    let (module, rest) = path.split_at(known);
    let Some((name, rest)) = rest.split_first() else { return Some(module.to_vec()) };
    let file = &files[module];
    if file.items.contains(name) {
        return Some(module.to_vec());
    }
    if let Some(from) = file.imports.get(name) {
        return leads_to(files, &[from.as_slice(), rest].concat(), depth - 1);
    }
    let from = |glob: &Name| {
        let path = [glob.as_slice(), std::slice::from_ref(name), rest].concat();
        leads_to(files, &path, depth - 1).filter(|own| files[own].items.contains(name))
    };
    file.globs.iter().find_map(from)
}

/// Where a walk along the arrows comes back to where it was.
fn circle(arrows: &BTreeMap<Name, BTreeSet<Name>>) -> Option<Vec<Name>> {
    fn walk(
        at: &Name,
        arrows: &BTreeMap<Name, BTreeSet<Name>>,
        way: &mut Vec<Name>,
        done: &mut BTreeSet<Name>,
    ) -> Option<Vec<Name>> {
        if let Some(first) = way.iter().position(|own| own == at) {
            return Some(way[first..].to_vec());
        }
        if done.contains(at) {
            return None;
        }
        way.push(at.clone());
        let found =
            arrows.get(at).and_then(|to| to.iter().find_map(|to| walk(to, arrows, way, done)));
        way.pop();
        done.insert(at.clone());
        found
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|at| walk(at, arrows, &mut Vec::new(), &mut done))
}

/// The circle among the parts of some folder, if there is one: each part (a file, a folder, the
/// page itself) imports those below it only.
fn circle_in(files: &BTreeMap<Name, File>) -> Option<Vec<Name>> {
    let mut by_folder: BTreeMap<Name, BTreeMap<Name, BTreeSet<Name>>> = BTreeMap::new();
    for (from, file) in files {
        for to in
            file.mentions.iter().filter_map(|path| leads_to(files, path, 8)).filter(|to| to != from)
        {
            let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            // The page of the folder that both are in is a part of it like any other.
            let part = |own: &Name| own[..own.len().min(common + 1)].to_vec();
            by_folder
                .entry(from[..common].to_vec())
                .or_default()
                .entry(part(from))
                .or_default()
                .insert(part(&to));
        }
    }
    by_folder.values().find_map(circle)
}

#[test]
fn no_crates_files_or_rooms_import_each_other_in_circles() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut seen = 0;
    for entry in fs::read_dir(crates).unwrap() {
        let folder = entry.unwrap().path();
        let mut files = BTreeMap::new();
        read(&folder.join("src"), &[], &mut files);
        seen += files.len();
        if let Some(circle) = circle_in(&files) {
            let names: Vec<String> = circle.iter().map(|own| own.join("::")).collect();
            panic!("{}: {}", folder.file_name().unwrap().display(), names.join(" → "));
        }
    }
    assert!(seen > 100, "{seen} files");
}

/// What is kept out is seen, also through what pages hand on.
#[test]
fn a_circle_is_seen() {
    let write = |files: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut found = BTreeMap::new();
        read(folder.path(), &[], &mut found);
        circle_in(&found).map(|circle| circle.iter().map(|own| own.join("::")).collect::<Vec<_>>())
    };
    let page = ("lib.rs", "mod a; mod b; pub use a::X; pub use b::Y;");
    let rooms = |x: &str, y: &str| {
        write(&[
            page,
            ("a/mod.rs", "mod x; pub use self::x::*;"),
            ("b/mod.rs", "mod y; mod z; pub use self::y::Y; pub use self::z::Z;"),
            ("a/x.rs", x),
            ("b/y.rs", y),
            ("b/z.rs", "pub struct Z;"),
        ])
    };
    assert_eq!(rooms("use crate::b::Y; pub struct X(Y);", "pub struct Y;"), None);
    let both = Some(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(rooms("use crate::b::Y; pub struct X(Y);", "pub struct Y(crate::a::X);"), both);
    assert_eq!(rooms("use crate::b::Z; pub struct X(Z);", "use crate::X; pub struct Y(X);"), both);
    let tests = "pub struct Y; #[cfg(test)] mod tests { use crate::a::X; }";
    assert_eq!(rooms("use crate::b::Y; pub struct X(Y);", tests), None);
    let files = write(&[
        page,
        ("a.rs", "use crate::Y; pub struct X; impl X { fn y() -> Y { Y } }"),
        ("b.rs", "use super::a; pub struct Y; fn x() -> a::X { a::X }"),
    ]);
    assert_eq!(files, both);
    let seen_by = write(&[
        ("lib.rs", "mod a; fn x() -> a::A { todo() }"),
        ("a.rs", "pub(super) struct A; pub(crate) struct B;"),
    ]);
    assert_eq!(seen_by, None);
    let with_page = write(&[
        ("lib.rs", "mod a; pub struct X(crate::a::A); fn x() -> crate::a::A { todo() }"),
        ("a.rs", "pub struct A(crate::X);"),
    ]);
    assert_eq!(with_page, Some(vec![String::new(), "a".to_owned()]));
}
