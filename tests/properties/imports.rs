//! What the files of `src` import from each other, read as text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module's path below `crate`.
pub type Name = Vec<String>;

/// One name that a `use` brings in.
struct Import {
    is_public: bool,
    path: Vec<String>,
    /// As the file calls it; `*` for all names.
    called: String,
}

/// One file, without its tests.
struct Module {
    imports: Vec<Import>,
    /// Its code without imports.
    rest: String,
}

/// All files of a folder.
pub struct Tree {
    modules: BTreeMap<Name, Module>,
}

/// Every `.rs` file below a folder.
pub fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A file's code: comments and texts left out.
pub fn code(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), String::new(), 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let raw = rest.trim_start_matches(['b', 'r']).trim_start_matches('#');
        let is_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if !is_word && (rest.starts_with('r') || rest.starts_with("br")) && raw.starts_with('"') {
            let hashes = "#".repeat(rest[..rest.len() - raw.len()].matches('#').count());
            let end = raw[1..].find(&format!("\"{hashes}")).map_or(raw.len(), |end| end + 2 + hashes.len());
            at += rest.len() - raw.len() + end;
        } else if rest.starts_with('"') {
            let mut end = 1;
            while end < rest.len() && bytes[at + end] != b'"' {
                end += if bytes[at + end] == b'\\' { 2 } else { 1 };
            }
            at += end + 1;
        } else if let Some(length) = character(rest) {
            at += length;
        } else {
            let c = rest.chars().next().expect("it is not at the end");
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}

/// The length of a literal of one character; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let end = match inner.strip_prefix('\\') {
        Some(escaped) => escaped.get(1..)?.find('\'')? + 2,
        None => inner.chars().next()?.len_utf8(),
    };
    inner.get(end..)?.starts_with('\'').then_some(end + 2)
}

/// Code without what is for tests alone.
fn without_tests(mut code: String) -> String {
    while let Some(begin) = code.find("#[cfg(test)]") {
        let (mut depth, mut end) = (0, code.len());
        for (at, c) in code[begin..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(c, '}' | ';') {
                end = begin + at + 1;
                break;
            }
        }
        code.replace_range(begin..end, "");
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the code has `word` as a word of its own.
pub fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word))
}

/// The paths of a `use` tree.
fn expand(tree: &str, before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let (head, group) = tree.trim().split_once('{').map_or((tree.trim(), None), |(a, b)| (a, Some(b)));
    let (head, renamed) = head.split_once(" as ").map_or((head, None), |(a, b)| (a, Some(b.trim())));
    let mut path = before.to_vec();
    path.extend(head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
    let Some(group) = group else {
        path.pop_if(|last| last == "self");
        let called = renamed.map_or_else(|| path.last().cloned().unwrap_or_default(), str::to_owned);
        return found.push((path, called));
    };
    let (mut depth, mut begin) = (0, 0);
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[begin..at].trim().is_empty() {
                    expand(&group[begin..at], &path, found);
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
}

impl Module {
    fn read(code: &str) -> Module {
        let (mut imports, mut rest) = (Vec::new(), String::new());
        // a visibility is no path
        let code = code
            .replace("pub(in crate::pipeline)", "pub")
            .replace("pub(super)", "pub")
            .replace("pub(crate)", "pub");
        for statement in code.split_inclusive(';') {
            let begin = statement.rfind("use ").filter(|at| !statement[..*at].ends_with(is_word));
            let tree = begin.map(|at| statement[at + 4..].trim_end_matches(';'));
            match (begin, tree) {
                (Some(at), Some(tree)) if tree.matches('{').count() == tree.matches('}').count() => {
                    let mut found = Vec::new();
                    expand(tree, &[], &mut found);
                    let is_public = statement[..at].trim_end().ends_with("pub");
                    imports.extend(found.into_iter().map(|(path, called)| Import {
                        is_public,
                        path,
                        called,
                    }));
                    rest.push_str(&statement[..at]);
                }
                _ if statement
                    .trim_end_matches(';')
                    .rsplit_once("mod ")
                    .is_some_and(|(_, name)| name.chars().all(is_word)) =>
                {
                    rest.push_str(statement.rsplit_once("mod ").expect("it has one").0);
                }
                _ => rest.push_str(statement),
            }
        }
        Module { imports, rest }
    }
}

impl Tree {
    /// Reads all files below `src`, but for those that are tests.
    pub fn read(src: &Path) -> Tree {
        let mut files = Vec::new();
        sources(src, &mut files);
        let mut modules = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for file in files {
            let mut name: Name = file
                .with_extension("")
                .strip_prefix(src)
                .expect("below src")
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            name.pop_if(|last| last == "mod" || last == "lib");
            let code = code(&std::fs::read_to_string(&file).expect("readable"));
            for (at, mark) in code.match_indices("#[cfg(test)]") {
                if let Some((_, declared)) =
                    code[at + mark.len()..].split(';').next().unwrap_or("").rsplit_once("mod ")
                    && declared.chars().all(is_word)
                {
                    tests.insert([&name[..], &[declared.to_owned()]].concat());
                }
            }
            modules.insert(name, Module::read(&without_tests(code)));
        }
        let is_test = |name: &Name| {
            name.last().is_some_and(|last| last.ends_with("_tests"))
                || (1..=name.len()).any(|end| tests.contains(&name[..end]))
        };
        modules.retain(|name, _| !is_test(name));
        Tree { modules }
    }

    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// The files that each file imports from.
    pub fn arrows(&self) -> BTreeMap<Name, BTreeSet<Name>> {
        self.modules.iter().map(|(name, module)| (name.clone(), self.arrows_of(name, module))).collect()
    }

    fn arrows_of(&self, name: &Name, module: &Module) -> BTreeSet<Name> {
        let mut to = BTreeSet::new();
        for import in &module.imports {
            // what is only handed on is no arrow: whoever imports it points at the file that has it
            if !import.is_public || has_word(&module.rest, &import.called) {
                to.extend(self.absolute(name, &import.path).and_then(|path| self.file_of(&path, 0)));
            }
        }
        for path in paths(&module.rest) {
            to.extend(self.absolute(name, &path).and_then(|path| self.file_of(&path, 0)));
        }
        to.remove(name);
        to
    }

    fn absolute(&self, name: &Name, path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?;
        if first == "crate" {
            return Some(path[1..].to_vec());
        }
        let supers = path.iter().take_while(|part| *part == "super").count();
        if supers > 0 {
            let above = name.get(..name.len().checked_sub(supers)?)?;
            return Some([above, &path[supers..]].concat());
        }
        let own = if first == "self" { &path[1..] } else { path };
        let child = [&name[..], own.get(..1)?].concat();
        (first == "self" || self.modules.contains_key(&child)).then(|| [&name[..], own].concat())
    }

    /// The file that has what a path names, through the names that other files hand on.
    fn file_of(&self, path: &[String], depth: usize) -> Option<Name> {
        let deepest = (0..=path.len()).rev().find(|end| self.modules.contains_key(&path[..*end]))?;
        let (name, rest) = path.split_at(deepest);
        let Some(wanted) = rest.first().filter(|_| depth < 8) else { return Some(name.to_vec()) };
        let handed_on = |import: &&Import| import.is_public && import.called == *wanted;
        let import = self.modules[name].imports.iter().find(handed_on);
        let further = import.and_then(|import| self.absolute(&name.to_vec(), &import.path));
        match further {
            Some(further) => self.file_of(&[&further[..], &rest[1..]].concat(), depth + 1),
            None => Some(name.to_vec()),
        }
    }
}

/// All paths of two names or more.
fn paths(code: &str) -> Vec<Vec<String>> {
    let words = code.split(|c: char| !is_word(c) && c != ':').filter(|word| word.contains("::"));
    words.map(|word| word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()).collect()
}

#[test]
fn comments_texts_and_characters_are_no_code() {
    let text = "a /* x */ \"crate::b\\\"\" r#\"c\"c\"# 'd' '\\n' &'e f // g\nh";
    assert_eq!(code(text).split_whitespace().collect::<Vec<_>>(), ["a", "&'e", "f", "h"]);
}

#[test]
fn a_tree_of_imports_is_taken_apart() {
    let module =
        Module::read("pub use a::{b, c::{self, D as E}};\nmod x;\nuse super::*;\nfn f() { crate::g::h() }");
    let found: Vec<(String, &str)> =
        module.imports.iter().map(|one| (one.path.join("::"), &*one.called)).collect();
    let wanted = [("a::b", "b"), ("a::c", "c"), ("a::c::D", "E"), ("super::*", "*")];
    assert_eq!(found, wanted.map(|(path, called)| (path.to_owned(), called)));
    assert_eq!(paths(&module.rest), [["crate", "g", "h"]]);
}

#[test]
fn what_is_for_tests_is_left_out_and_nothing_behind_it() {
    let code = without_tests(
        "use a::b;\n#[cfg(test)]\nmod tests { fn f() {} }\nuse c::d;\n#[cfg(test)]\nmod e;\nuse f::g;".into(),
    );
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["use", "a::b;", "use", "c::d;", "use", "f::g;"]);
}
