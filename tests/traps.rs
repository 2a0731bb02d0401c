//! The page of traps has one row a trap, and every test and file that it names is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const PAGE: &str = include_str!("../docs/traps.md");

/// How many there are.
const TRAPS: usize = 55;

/// A row of its tables.
struct Row {
    number: usize,
    about: String,
    proof: String,
}

/// Its rows, without what is only a comment.
fn rows() -> Vec<Row> {
    let lines = PAGE.lines().map(without_comments);
    lines.filter_map(|line| row(&line)).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<_> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let number = cells[0].parse().ok()?;
    let [_, trap, about, proof, ""] = cells[..] else { panic!("{number} has not four cells: {line}") };
    assert!(!trap.is_empty() && !about.is_empty(), "{line}");
    Some(Row { number, about: about.to_owned(), proof: proof.to_owned() })
}

fn without_comments(line: &str) -> String {
    let Some((before, rest)) = line.split_once("<!--") else { return line.to_owned() };
    let (_, after) = rest.split_once("-->").unwrap_or_else(|| panic!("a comment goes on: {line}"));
    before.to_owned() + &without_comments(after)
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    assert!(text.matches('`').count().is_multiple_of(2), "{text}");
    text.split('`').skip(1).step_by(2)
}

fn is_path(word: &str) -> bool {
    ["src/", "tests/", "docs/", "templates/"].iter().any(|folder| word.starts_with(folder))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// Whether a text has a function of that name that is a test.
fn has_test(text: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.contains(&function) {
            return is_test;
        }
        match line {
            _ if line.starts_with("#[") => is_test |= line.contains("test"),
            _ if line.starts_with("//") => {}
            _ => is_test = false,
        }
    }
    false
}

/// A unit test by its whole name: `audit::clock::tests::clocks_that_differ`.
fn is_unit_test(module: &str, name: &str) -> bool {
    let path = root().join("src").join(module.replace("::", "/"));
    let beside = [path.with_extension("rs"), path.join("mod.rs")];
    // `mod tests` may stand at the end of its module's own file.
    let parent = path.parent().filter(|_| path.ends_with("tests"));
    let within = parent.map(|module| [module.with_extension("rs"), module.join("mod.rs")]);
    let files = beside.into_iter().chain(within.into_iter().flatten());
    files.filter_map(|file| fs::read_to_string(file).ok()).any(|text| has_test(&text, name))
}

/// A test of `tests`; those on lab nodes and machines are listed by name.
fn is_integration_test(name: &str) -> bool {
    static TEXTS: LazyLock<Vec<(bool, String)>> = LazyLock::new(|| {
        let nodes = ["lab", "machines"].map(|folder| root().join("tests").join(folder));
        let on_nodes = |path: &Path| nodes.iter().any(|folder| path.starts_with(folder));
        let read = |path: PathBuf| (on_nodes(&path), fs::read_to_string(path).unwrap());
        sources(&root().join("tests")).into_iter().map(read).collect()
    });
    let listed = format!("(\"{name}\", ");
    TEXTS.iter().any(|(on_nodes, text)| has_test(text, name) || (*on_nodes && text.contains(&listed)))
}

#[test]
fn each_trap_has_its_row() {
    let numbers: Vec<_> = rows().iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=TRAPS).collect::<Vec<_>>());
}

#[test]
fn each_row_names_a_test_or_says_why_there_is_none() {
    for Row { number, proof, .. } in rows() {
        let tests = quoted(&proof).filter(|word| word.contains('_') && !is_path(word)).count();
        let none = proof.strip_prefix("none: ").is_some_and(|reason| !reason.is_empty());
        assert_ne!(tests > 0, none, "{number}: {proof}");
    }
}

#[test]
fn each_test_and_file_that_is_named_is_there() {
    let mut missing = Vec::new();
    for Row { number, about, proof } in rows() {
        for path in quoted(&about).chain(quoted(&proof)).filter(|word| is_path(word)) {
            if !root().join(path).exists() {
                missing.push(format!("{number}: {path}"));
            }
        }
        for test in quoted(&proof).filter(|word| word.contains('_') && !is_path(word)) {
            let is_there = match test.rsplit_once("::") {
                Some((module, name)) => is_unit_test(module, name),
                None => is_integration_test(test),
            };
            if !is_there {
                missing.push(format!("{number}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/traps.md names what is not there: {missing:#?}");
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let text = "#[test]\n/// Why.\nfn one() {}\nfn two() {}\n#[tokio::test]\nasync fn three() {}\n#[inline]\nfn four() {}\n";
    let found = ["one", "two", "three", "four", "five"].map(|name| has_test(text, name));
    assert_eq!(found, [true, false, true, false, false]);
    assert!(!is_unit_test("audit::clock::tests", "off_by") && !is_integration_test("each_trap"));
}
