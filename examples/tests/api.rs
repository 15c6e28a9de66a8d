//! The public interface of each library crate is what `docs/api/` says, so that a change of it is
//! seen.
//!
//! `UPDATE_API=1 cargo test -p bias-examples --test api` writes the files anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Fields, ImplItem, Item, TraitItem, UseTree, Visibility};

/// Names from the crate's root.
type Name = Vec<String>;

#[derive(Default)]
struct Module {
    /// Whether the module above shows it.
    public: bool,
    items: Vec<Item>,
    /// The name that is shown, and what it stands for; a star for all of a module.
    shown: Vec<(String, Name)>,
}

/// Tokens one after the other, attributes left out.
fn flat(tokens: TokenStream, all: &mut Vec<String>) {
    let mut joint = false;
    for tree in tokens {
        let before = joint;
        joint = matches!(&tree, TokenTree::Punct(own) if own.spacing() == Spacing::Joint);
        match tree {
            TokenTree::Group(own)
                if own.delimiter() == Delimiter::Bracket
                    && all.last().is_some_and(|l| l == "#") =>
            {
                all.pop();
            }
            TokenTree::Group(own) => {
                let (open, close) = match own.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace | Delimiter::None => ("{", "}"),
                };
                all.push(open.into());
                flat(own.stream(), all);
                all.pop_if(|last| last == ",");
                all.push(close.into());
            }
            own if before => all.last_mut().unwrap().push_str(&own.to_string()),
            own => all.push(own.to_string()),
        }
    }
}

/// Tokens as one would write them.
fn text(tokens: impl ToTokens) -> String {
    let (mut all, mut text, mut last) = (Vec::new(), String::new(), String::from("("));
    flat(tokens.to_token_stream(), &mut all);
    for next in all {
        let apart =
            ["->", ",", ":", "=", "+", ";", "=>"].contains(&&*last) || next == "->" || next == "{";
        let close = [",", ";", ":", ".", ">", ")", "]", "?", "::", "<", "(", "[", "!"]
            .contains(&&*next)
            || ["(", "[", "<", "&", "::", "!", "#", ".", "*", "?"].contains(&&*last);
        if apart || !close {
            text.push(' ');
        }
        text.push_str(&next);
        last = next;
    }
    text.trim().trim_end_matches(',').replace(", >", ">")
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Attributes that callers notice; `None` for what only tests have.
fn attributes(all: &[syn::Attribute]) -> Option<String> {
    let mut own: Vec<String> = Vec::new();
    for attribute in all {
        let meta = text(&attribute.meta);
        let name = meta.split(['(', ' ']).next().unwrap_or_default();
        match name {
            "cfg" if meta.contains("test)") || meta.contains("doc)") => return None,
            "cfg" | "derive" | "non_exhaustive" => own.push(format!(" #[{meta}]")),
            "test" => return None,
            _ => {}
        }
    }
    Some(own.concat())
}

/// What an item that has a name is called, who may see it, and its attributes.
fn name_of(item: &Item) -> Option<(&syn::Ident, &Visibility, &[syn::Attribute])> {
    Some(match item {
        Item::Const(own) => (&own.ident, &own.vis, &own.attrs),
        Item::Enum(own) => (&own.ident, &own.vis, &own.attrs),
        Item::Fn(own) => (&own.sig.ident, &own.vis, &own.attrs),
        Item::Struct(own) => (&own.ident, &own.vis, &own.attrs),
        Item::Trait(own) => (&own.ident, &own.vis, &own.attrs),
        Item::Type(own) => (&own.ident, &own.vis, &own.attrs),
        _ => return None,
    })
}

/// The modules of a crate by their names.
fn read(
    folder: &Path,
    file: &Path,
    name: &Name,
    public: bool,
    modules: &mut BTreeMap<Name, Module>,
) {
    let source = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut module = Module { public, ..Module::default() };
    for item in syn::parse_file(&source).unwrap().items {
        match item {
            Item::Mod(own) if own.content.is_none() && attributes(&own.attrs).is_some() => {
                let (stem, below) =
                    (own.ident.to_string(), [name.clone(), vec![own.ident.to_string()]].concat());
                let flat = folder.join(format!("{stem}.rs"));
                let file = if flat.exists() { flat } else { folder.join(&stem).join("mod.rs") };
                read(&folder.join(&stem), &file, &below, public && is_public(&own.vis), modules);
            }
            Item::Use(own) if is_public(&own.vis) => shown(&own.tree, &[], name, &mut module.shown),
            own => module.items.push(own),
        }
    }
    modules.insert(name.clone(), module);
}

fn shown(tree: &UseTree, before: &[String], module: &Name, all: &mut Vec<(String, Name)>) {
    let path = |last: &syn::Ident| {
        let mut path = before.to_vec();
        path.push(last.to_string());
        let from = match path[0].as_str() {
            "crate" => Some(Vec::new()),
            "self" => Some(module.clone()),
            "super" => Some(module[..module.len() - 1].to_vec()),
            _ => None,
        };
        from.map_or_else(|| path.clone(), |from| [from, path[1..].to_vec()].concat())
    };
    match tree {
        UseTree::Path(own) => {
            shown(&own.tree, &[before, &[own.ident.to_string()]].concat(), module, all)
        }
        UseTree::Group(own) => own.items.iter().for_each(|own| shown(own, before, module, all)),
        UseTree::Name(own) => all.push((own.ident.to_string(), path(&own.ident))),
        UseTree::Rename(own) => all.push((own.rename.to_string(), path(&own.ident))),
        UseTree::Glob(_) => all.push(("*".into(), before.to_vec())),
    }
}

/// Where something is defined that a module shows; `None` outside the crate.
fn defined(modules: &BTreeMap<Name, Module>, path: &Name, depth: usize) -> Option<Name> {
    let (name, module) = path.split_last()?;
    let own = modules.get(module)?;
    if own.items.iter().any(|item| name_of(item).is_some_and(|(known, ..)| known == name)) {
        return Some(path.clone());
    }
    let (_, to) = own.shown.iter().find(|(known, _)| known == name).filter(|_| depth > 0)?;
    defined(modules, to, depth - 1)
}

fn fields(path: &str, all: &Fields, every: bool) -> Vec<String> {
    let known = all.iter().enumerate().filter(|(_, own)| every || is_public(&own.vis));
    let each = known
        .map(|(i, own)| (own.ident.as_ref().map_or(i.to_string(), ToString::to_string), &own.ty));
    each.map(|(name, of)| format!("{path}.{name}: {}", text(of))).collect()
}

fn describe(path: &str, item: &Item) -> Vec<String> {
    let Some(notes) = name_of(item).and_then(|(.., own)| attributes(own)) else {
        return Vec::new();
    };
    match item {
        Item::Const(own) => vec![format!("{path}: const {}{notes}", text(&own.ty))],
        Item::Type(own) => vec![format!("{path}: type = {}", text(&own.ty))],
        Item::Fn(own) => vec![format!("{path}: {}{notes}", text(&own.sig))],
        Item::Struct(own) => {
            let first = format!("{path}: struct{}{notes}", text(&own.generics));
            [vec![first], fields(path, &own.fields, false)].concat()
        }
        Item::Enum(own) => {
            let variant = |own: &syn::Variant| {
                let path = format!("{path}::{}", own.ident);
                [vec![format!("{path}: variant")], fields(&path, &own.fields, true)].concat()
            };
            let first = format!("{path}: enum{}{notes}", text(&own.generics));
            std::iter::once(first).chain(own.variants.iter().flat_map(variant)).collect()
        }
        Item::Trait(own) => {
            let above = text(&own.supertraits);
            let colon = if above.is_empty() { "" } else { ": " };
            let inside = |item: &TraitItem| match item {
                TraitItem::Fn(own) => {
                    let given = if own.default.is_some() { "provided " } else { "" };
                    format!("{path}::{}: {given}{}", own.sig.ident, text(&own.sig))
                }
                TraitItem::Type(own) => {
                    format!("{path}::{}: type {}", own.ident, text(&own.bounds))
                }
                other => format!("{path}: {}", text(other)),
            };
            let first = format!("{path}: trait{}{colon}{above}{notes}", text(&own.generics));
            std::iter::once(first).chain(own.items.iter().map(inside)).collect()
        }
        _ => Vec::new(),
    }
}

/// What an implementation adds to types that are shown.
fn implemented(
    own: &syn::ItemImpl,
    paths: &BTreeMap<String, String>,
    lines: &mut BTreeSet<String>,
) {
    let Some(notes) = attributes(&own.attrs) else { return };
    let whole = text(&own.self_ty);
    let plain: String = whole
        .replace("dyn ", "")
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let Some(path) = paths.get(&plain) else { return };
    if let Some((_, of, _)) = &own.trait_ {
        lines.insert(format!("impl{} {} for {whole}{notes}", text(&own.generics), text(of)));
        return;
    }
    for item in &own.items {
        match item {
            ImplItem::Fn(own) if is_public(&own.vis) => {
                let Some(more) = attributes(&own.attrs) else { continue };
                lines.insert(format!("{path}::{}: {}{notes}{more}", own.sig.ident, text(&own.sig)));
            }
            ImplItem::Const(own) if is_public(&own.vis) => {
                lines.insert(format!("{path}::{}: const {}", own.ident, text(&own.ty)));
            }
            _ => {}
        }
    }
}

/// The public interface, a line for each thing that may be named.
fn interface(krate: &str, source: &Path) -> String {
    let mut modules = BTreeMap::new();
    read(source, &source.join("lib.rs"), &Vec::new(), true, &mut modules);
    let joined = |path: &[String]| [&[krate.to_owned()], path].concat().join("::");
    // Every path by which a definition is shown.
    let (mut all, mut lines) =
        (BTreeMap::<Name, BTreeSet<(usize, String)>>::new(), BTreeSet::new());
    for (module, own) in modules.iter().filter(|(_, own)| own.public) {
        let path = |name: &str| joined(&[module.as_slice(), &[name.to_owned()]].concat());
        for item in &own.items {
            match name_of(item) {
                Some((name, vis, _)) if is_public(vis) => {
                    let definition = [module.as_slice(), &[name.to_string()]].concat();
                    all.entry(definition)
                        .or_default()
                        .insert((module.len(), path(&name.to_string())));
                }
                _ => {}
            }
        }
        for (name, to) in &own.shown {
            if let Some(definition) = defined(&modules, to, 8) {
                all.entry(definition).or_default().insert((module.len(), path(name)));
            } else {
                lines.insert(format!("{}: use {}", path(name), to.join("::")));
            }
        }
    }
    let mut paths = BTreeMap::new();
    for (definition, ways) in &all {
        let (name, module) = definition.split_last().unwrap();
        let mut ways = ways.iter().map(|(_, path)| path);
        let first = ways.next().unwrap();
        lines.extend(ways.map(|path| format!("{path}: use {first}")));
        let item = modules[module]
            .items
            .iter()
            .find(|own| name_of(own).is_some_and(|(own, ..)| own == name));
        lines.extend(describe(first, item.unwrap()));
        paths.insert(name.clone(), first.clone());
    }
    for own in modules.values().flat_map(|own| &own.items) {
        match own {
            Item::Impl(own) => implemented(own, &paths, &mut lines),
            // What a macro defines is seen by what it is given.
            Item::Macro(own) if own.ident.is_none() => {
                lines.insert(format!("{}! {{ {} }}", text(&own.mac.path), text(&own.mac.tokens)));
            }
            _ => {}
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

#[test]
fn the_interface_of_each_library_is_what_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut changed = Vec::new();
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("src/lib.rs").exists() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let found = interface(&name.replace('-', "_"), &folder.join("src"));
        let file = root.join("docs/api").join(format!("{name}.txt"));
        let known = fs::read_to_string(&file).unwrap_or_default();
        if std::env::var_os("UPDATE_API").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, found).unwrap();
            continue;
        }
        let (known, found): (BTreeSet<_>, BTreeSet<_>) =
            (known.lines().collect(), found.lines().collect());
        changed.extend(known.difference(&found).map(|line| format!("- {line}")));
        changed.extend(found.difference(&known).map(|line| format!("+ {line}")));
    }
    let changed = changed.join("\n");
    assert!(
        changed.is_empty(),
        "the public interface changed; `UPDATE_API=1 cargo test -p bias-examples --test api` writes it down\n{changed}"
    );
}
