//! skep's verdicts on kernels against those of moby's own `contrib/check-config.sh`, on the same configurations.
//!
//! The script comes out of Debian's package `docker.io` as it is; configurations are this computer's own, those of
//! Debian's kernels, and made-up ones. Every difference there may be is in [`differences`], with its reason in
//! `docs/check-config.md`.

mod differences;
mod fetched;
mod script;
#[expect(dead_code, reason = "shared with other test files, which use the rest")]
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::sync::Mutex;

use flate2::read::GzDecoder;
use skep::audit::Severity;
use skep::audit::kernel::{judge_file, options};
use skep::facts::kernel_options::MODULES;
use skep::inventory::model::NodeName;

use script::{Answer, Section};

/// An option as skep judged it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Judged {
    answer: Answer,
    check: String,
    severity: Severity,
}

/// What skep makes of a configuration, option by option, from the evidence of its verdicts.
fn judge(text: &str, version: &str) -> BTreeMap<String, Judged> {
    let (_, verdicts) = judge_file(text, Some(version), "config", &NodeName::from("n")).unwrap();
    let mut judged = BTreeMap::new();
    for verdict in verdicts {
        for (place, evidence) in verdict.evidence.iter().enumerate() {
            // What is well stands after what is amiss.
            let well = verdict.severity == Severity::Ok || place > 0;
            for line in evidence.text.lines() {
                let end = line.find(['=', ' ']).unwrap_or(line.len());
                let (option, rest) = line.split_at(end);
                let answer = match rest.split(" (").next() {
                    Some("=y") => Answer::BuiltIn,
                    Some("=m") => Answer::Module,
                    Some(" is not set") => Answer::Missing,
                    _ => panic!("{line:?}"),
                };
                let severity = if well { Severity::Ok } else { verdict.severity };
                let one = Judged { answer, check: verdict.check.clone(), severity };
                let before = judged.insert(option.trim_start_matches("CONFIG_").to_owned(), one);
                // SUNRPC is asked for by both sides of NFS.
                assert!(before.is_none() || option == "CONFIG_SUNRPC", "{option} is judged twice");
            }
        }
    }
    judged
}

/// Configurations by name, each with the release of its kernel.
fn configurations() -> Vec<(String, String, String)> {
    let mut all: Vec<_> = fetched::kernels()
        .iter()
        .map(|kernel| (kernel.release.clone(), kernel.release.clone(), kernel.config.clone()))
        .collect();
    if let Ok(packed) = fs::read("/proc/config.gz") {
        let mut text = String::new();
        GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        all.push(("this computer's".to_owned(), release.trim().to_owned(), text));
    }
    let text = |options: &mut dyn Iterator<Item = String>, value: &str| {
        options.fold(String::new(), |mut text, option| {
            let _ = writeln!(text, "CONFIG_{option}={value}");
            text
        })
    };
    let every = || everything().into_iter();
    // Kernels on both sides of every condition.
    for version in
        ["3.10.0", "3.16.0", "4.4.0", "4.14.0", "5.1.0", "5.2.0", "5.3.0", "5.7.0", "5.8.0", "6.18.0"]
    {
        all.push((format!("all of {version}"), version.to_owned(), text(&mut every(), "y")));
    }
    // These can be no modules.
    let mut modules = every().filter(|option| !option.starts_with("LEGACY_VSYSCALL"));
    all.push(("modules".to_owned(), "6.1.0".to_owned(), text(&mut modules, "m")));
    all.push(("none".to_owned(), "6.1.0".to_owned(), "CONFIG_X86=y\n".to_owned()));
    // For any two options there is one of these that has only one of them.
    for bit in 0..every().count().ilog2() + 1 {
        let mut some =
            every().enumerate().filter(|(place, _)| place >> bit & 1 == 1).map(|(_, option)| option);
        all.push((format!("half {bit}"), "6.1.0".to_owned(), text(&mut some, "y")));
    }
    all
}

/// Every option that either side asks about.
fn everything() -> BTreeSet<String> {
    let theirs = differences::ONLY_THEIRS.iter().map(|(option, _)| (*option).to_owned());
    options().into_iter().chain(theirs).collect()
}

#[test]
fn skep_and_the_script_differ_only_where_the_documentation_says_so() {
    let scripts = fetched::scripts();
    let configurations = configurations();
    let (used, asked) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    let next =
        Mutex::new(scripts.iter().flat_map(|script| configurations.iter().map(move |one| (script, one))));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((script, (name, release, text))) = next.lock().unwrap().next() else { return };
                    let theirs = script.run(release, text);
                    let differences = compare(&theirs, release, text);
                    let untold: Vec<_> = differences.iter().filter(|one| one.told.is_none()).collect();
                    assert!(untold.is_empty(), "{} on {name}: {untold:#?}", script.name);
                    used.lock().unwrap().extend(differences.into_iter().filter_map(|one| one.told));
                    asked.lock().unwrap().extend(theirs.into_keys());
                }
            });
        }
    });
    if scripts.len() > 1 {
        // How an option weighs is only seen where one of the scripts asks for it.
        let known = differences::names(&asked.lock().unwrap());
        let stale: Vec<_> = known.difference(&*used.lock().unwrap()).cloned().collect();
        assert_eq!(stale, [""; 0], "these differences are told, but there are none");
    }
}

/// A difference, and under which name it is known, if it is.
#[derive(Debug)]
struct Difference {
    option: String,
    theirs: Option<(Section, Answer)>,
    ours: Option<Judged>,
    told: Option<String>,
}

fn compare(theirs: &BTreeMap<String, (Section, Answer)>, release: &str, text: &str) -> Vec<Difference> {
    let ours = judge(text, release);
    let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).cloned().collect();
    let mut differences = Vec::new();
    for option in names {
        let (their, our) = (theirs.get(&option).cloned(), ours.get(&option).cloned());
        let told = match (&their, &our) {
            (Some((section, answer)), Some(judged)) => {
                let same = *answer == judged.answer;
                let place = differences::place(*section);
                // A category is a check, and what fails the script is an error.
                let moved = place != judged.check;
                let weighed = *section == Section::Necessary
                    && *answer == Answer::Missing
                    && judged.severity != Severity::Error;
                match (same, moved, weighed) {
                    (true, false, false) => continue,
                    (false, ..) => None,
                    (true, true, _) => differences::moved(&option, &judged.check),
                    (true, false, true) => differences::weighed(&option, judged.severity),
                }
            }
            (Some(_), None) => differences::only_theirs(&option),
            (None, Some(_)) => differences::only_ours(&option),
            (None, None) => None,
        };
        differences.push(Difference { option, theirs: their, ours: our, told });
    }
    differences
}

#[test]
fn removing_any_one_option_changes_the_verdict_on_that_one_alone() {
    let all: Vec<_> = options().into_iter().filter(|option| !option.starts_with("LEGACY_VSYSCALL")).collect();
    let text = |without: &str| -> String {
        all.iter().filter(|option| *option != without).map(|option| format!("CONFIG_{option}=y\n")).collect()
    };
    let whole = judge(&text(""), "4.4.0");
    for option in &all {
        let without = judge(&text(option), "4.4.0");
        let changed: Vec<_> =
            whole.iter().filter(|(name, judged)| without[*name].answer != judged.answer).collect();
        match whole.get(option) {
            Some(before) => {
                let after = &without[option];
                assert_eq!((changed.len(), after.answer), (1, Answer::Missing), "{option}");
                assert_eq!(before.check, after.check, "{option}");
            }
            // Those that stand in for others, and those of other kernels.
            None => assert!(changed.is_empty(), "{option}: {changed:?}"),
        }
    }
}

#[test]
fn modules_have_the_names_that_debians_kernels_give_them() {
    for kernel in fetched::kernels() {
        let is = |option: &str, value: &str| {
            kernel.config.lines().any(|line| line == format!("CONFIG_{option}={value}"))
        };
        let wrong: Vec<_> = MODULES
            .iter()
            .filter(|(option, module)| is(option, "m") && !kernel.modules.contains(*module))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", kernel.release);
        let found = MODULES.iter().filter(|(option, _)| is(option, "m")).count();
        assert!(found > 30, "{}: only {found} of them are modules", kernel.release);
    }
}

#[test]
fn debians_kernels_are_fit_for_everything() {
    for kernel in fetched::kernels() {
        let (_, verdicts) = judge_file(&kernel.config, None, "config", &NodeName::from("n")).unwrap();
        let amiss: Vec<_> = verdicts.iter().filter(|verdict| verdict.severity < Severity::Note).collect();
        assert_eq!(amiss, Vec::<&skep::audit::Verdict>::new(), "{}", kernel.release);
    }
}

#[test]
fn the_documentation_names_each_difference() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/check-config.md")).unwrap();
    let missing: Vec<_> =
        differences::options().into_iter().filter(|option| !page.contains(&format!("`{option}`"))).collect();
    assert_eq!(missing, [""; 0]);
}
