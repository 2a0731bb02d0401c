use super::*;
use crate::audit::{Evidence, Family, TryResult};
use crate::report::audits::tests::{day_before, sample};

const OVERLAY: &Check = &Check {
    id: "kernel-overlay",
    family: Family::Kernel,
    title: "overlay networks",
    explanation: "Overlay networks are VXLAN.\nWithout it no task reaches one on another node.",
    examine: |_| Vec::new(),
};

fn shown(report: &Report) -> String {
    page(report, None, &[OVERLAY])
}

#[test]
fn it_loads_nothing_and_allows_only_its_own_style_and_script() {
    let report = sample();
    let page = page(&report, Some(&Changes::between(&day_before(), &report)), &[OVERLAY]);
    for forbidden in ["src=", "@import", "url(", "http://", "https://", " style=", "onclick", "javascript:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src &#x27;none&#x27;") || page.contains("default-src 'none'"));
    assert_eq!((page.matches("<script>").count(), page.matches("<style>").count()), (1, 1));
    assert!(
        page.contains(&format!("<script>{SCRIPT}</script>"))
            && page.contains(&format!("<style>{STYLE}</style>"))
    );
}

#[test]
fn a_text_is_named_by_its_hash_in_base64() {
    // As `printf alert | openssl dgst -sha256 -binary | base64` has it.
    assert_eq!(hash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(hash("abc"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

#[test]
fn hosts_words_are_words() {
    let evil = "<script>alert(1)</script>\"' onload=x \u{202e}`<b>`".to_owned();
    let mut report = sample();
    report.cluster.clone_from(&evil);
    report.nodes[0].hostname.clone_from(&evil);
    report.nodes[0].labels.insert("power".to_owned(), evil.clone());
    report.nodes[1].board = Some(evil.clone());
    report.verdicts[0].message.clone_from(&evil);
    report.verdicts[0].check.clone_from(&evil);
    report.verdicts[0].remedy = vec![evil.clone()];
    report.verdicts[0].evidence = vec![Evidence { place: evil.clone(), text: evil.clone() }];
    report.unreachable.insert("n5".into(), Fault::new(&evil, &evil).help(&evil));
    report.reach.as_mut().unwrap().tries[0].result = TryResult::Blocked(evil);
    let page = shown(&report);
    assert_eq!(page.matches("<script").count(), 1, "only its own");
    assert!(!page.contains("<b>`") && !page.contains('\u{202e}') && !page.contains("\"' onload"));
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn secrets_are_masked() {
    let mut report = sample();
    report.verdicts[0].evidence =
        vec![Evidence { place: "daemon.json".to_owned(), text: "http://bob:hunter2@proxy".to_owned() }];
    let page = shown(&report);
    assert!(!page.contains("hunter2") && page.contains("***@proxy"));
}

#[test]
fn every_finding_and_every_node_is_there() {
    let report = sample();
    let page = shown(&report);
    let found = merged(&report.verdicts);
    assert_eq!(page.matches("<details class=\"finding ").count(), found.len());
    for number in 0..found.len() {
        assert_eq!(page.matches(&format!("id=\"f{number}\"")).count(), 1, "f{number}");
    }
    for key in 0..5 {
        assert_eq!(page.matches(&format!("id=\"n{key}\"")).count(), 1);
        // Once on a wide screen, once on a phone.
        assert_eq!(page.matches(&format!("data-node=\"{key}\"")).count(), 2);
    }
    assert!(page.contains("no route to host") && page.contains("no answer in 1 s, tried 3 times"));
    assert!(page.contains("Without it no task reaches one"), "the explanation of a known check");
    assert!(page.contains(r#"data-copy="apt-get install linux-image-current-rockchip64"#));
}

#[test]
fn an_audit_of_nothing_and_a_large_one_are_pages_too() {
    let mut report = sample();
    report.verdicts.clear();
    report.reach = None;
    report.unreachable.clear();
    assert!(shown(&report).contains("No check had anything to say."));
    report.nodes.clear();
    assert!(shown(&report).contains("</html>"));

    let mut report = sample();
    let one = report.nodes[1].clone();
    report.nodes = (0..200)
        .map(|n| crate::audit::AuditedNode { name: NodeName(format!("board-{n:03}")), ..one.clone() })
        .collect();
    let bad = report.verdicts[0].clone();
    report.verdicts = report
        .nodes
        .iter()
        .map(|node| crate::audit::Verdict { nodes: vec![node.name.clone()], ..bad.clone() })
        .collect();
    let page = shown(&report);
    assert_eq!(page.matches("<details class=\"finding ").count(), 1);
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
}

#[test]
fn commands_are_told_from_words() {
    let told = |text| spans(text).into_iter().map(|span| (span.code, span.text)).collect::<Vec<_>>();
    assert_eq!(told(""), []);
    assert_eq!(
        told("run `a b`, then `c`"),
        [(false, "run "), (true, "a b"), (false, ", then "), (true, "c")]
            .map(|(code, text)| (code, text.to_owned()))
    );
    assert_eq!(told("a lone ` sign"), [(false, "a lone ` sign".to_owned())]);
}
