use proptest::prelude::*;

use super::*;

fn node(name: &str, address: &str) -> NewNode {
    let role = Some(Role::Worker);
    NewNode { name: name.into(), address: address.into(), role, user: None, port: None }
}

fn add(text: &str, node: &NewNode) -> Result<String, EditError> {
    add_node(Path::new("cluster.yml"), text, node)
}

/// `+` at the start of a line marks what is added, `~` a line that is changed by a comma at its end.
fn check(marked: &str) {
    let lines = || marked.split_inclusive('\n');
    let old: String =
        lines().filter(|line| !line.starts_with('+')).map(|line| line.replace("~", "")).collect();
    let new: String = lines().map(|line| line.strip_prefix('+').unwrap_or(line).replace("~", ",")).collect();
    assert_eq!(add(&old, &node("n4", "10.0.0.4")).unwrap_or_else(|error| panic!("{old}\n{error}")), new);
}

const N1: &str = "n1: {address: 10.0.0.1, role: manager}";
const N4: &str = "n4: {address: 10.0.0.4, role: worker}";

#[test]
fn flow_entries_in_a_block() {
    check(&format!("nodes:\n  {N1}\n+  {N4}\n"));
    check(&format!("# top\nnodes:  # all\n    {N1} # first\n+    {N4}\n    # n9: gone\n\nswarm: {{}}\n"));
    check(&format!("nodes:\n  {N1}\n    # about n1\n+  {N4}\n# end\nengine: {{}}\n"));
    check(&format!("nodes:\n  n0: {{address: 10.0.0.9, role: worker}}\n\n  {N1}\n+\n+  {N4}\n"));
    check(&format!("nodes:\n{N1}\n").replace("\nn1", "\n n1").replace("}\n", &format!("}}\n+ {N4}\n")));
    check("nodes:\n  n1: { address: 10.0.0.1, role: manager }\n+  n4: { address: 10.0.0.4, role: worker }\n");
}

#[test]
fn block_entries() {
    check(
        "nodes:\n  n1:\n    address: 10.0.0.1\n    role: manager # it leads\n+  n4:\n+    address: 10.0.0.4\n+    role: worker\nshares: {}\n",
    );
    check(
        "nodes:\n  n1:\n      address: 10.0.0.1\n      role: manager\n      labels: {a: |\n"
            .replace(
                "{a: |\n",
                "\n        a: |\n          text\n+  n4:\n+      address: 10.0.0.4\n+      role: worker\n",
            )
            .as_str(),
    );
}

#[test]
fn a_flow_mapping_on_one_line() {
    let old = format!("nodes: {{{N1}}}\n");
    assert_eq!(add(&old, &node("n4", "10.0.0.4")).expect("added"), format!("nodes: {{{N1}, {N4}}}\n"));
    let whole = format!("{{nodes: {{ {N1}, }}, name: x}}");
    assert_eq!(
        add(&whole, &node("n4", "10.0.0.4")).expect("added"),
        format!("{{nodes: {{ {N1}, {N4}, }}, name: x}}")
    );
}

#[test]
fn a_flow_mapping_on_many_lines() {
    check(&format!("nodes: {{\n  {N1}~ # a, b\n+  {N4}\n}}\n"));
    check(&format!("nodes: {{\n  {N1}, # a\n+  {N4},\n}}\n"));
    check(&format!("nodes: {{\n  {N1},\n+  {N4},\n  # end\n}}\n"));
    let old = format!("nodes: {{\n  {N1}}}\n");
    assert_eq!(add(&old, &node("n4", "10.0.0.4")).expect("added"), format!("nodes: {{\n  {N1},\n  {N4}}}\n"));
}

#[test]
fn line_ends_and_a_missing_last_one_stay() {
    check(&format!("nodes:\n  {N1}\n+  {N4}\n").replace('\n', "\r\n"));
    let old = format!("nodes:\r\n  {N1}");
    assert_eq!(add(&old, &node("n4", "10.0.0.4")).expect("added"), format!("nodes:\r\n  {N1}\r\n  {N4}"));
    check(&format!("\u{feff}nodes:\n  {N1}\n+  {N4}\n"));
}

#[test]
fn anchors_aliases_and_merges_are_left_alone() {
    check(&format!(
        "nodes:\n  n1: &n {{address: 10.0.0.1, role: manager}}\n  n2: {{<<: *n, address: 10.0.0.2}}\n+  {N4}\n"
    ));
    check(&format!(
        "nodes:\n  n1:\n    address: &a 10.0.0.1\n    role: manager\n  n2: {{address: 10.0.0.2, role: worker, advertise: *a}}\n+  {N4}\n"
    ));
}

#[test]
fn all_fields_are_written() {
    let node = NewNode {
        name: "n4".into(),
        address: "fd00::4".into(),
        role: None,
        user: Some("pi".into()),
        port: Some(2222),
    };
    let old = format!("defaults: {{role: worker}}\nnodes:\n  {N1}\n");
    let new = add(&old, &node).expect("added");
    assert!(new.ends_with("  n4: {address: \"fd00::4\", user: pi, port: 2222}\n"), "{new}");
}

#[test]
fn taken_names_and_addresses_are_refused() {
    let old = format!("nodes:\n  {N1}\n");
    assert!(matches!(add(&old, &node("n1", "10.0.0.4")), Err(EditError::NameTaken(_))));
    assert!(matches!(add(&old, &node("n4", "10.0.0.1")), Err(EditError::AddressTaken { .. })));
    let other_port = NewNode { port: Some(2222), ..node("n4", "10.0.0.1") };
    assert!(add(&old, &other_port).is_ok());
}

#[test]
fn what_would_not_load_is_refused() {
    let old = format!("nodes:\n  {N1}\n");
    for bad in
        [node("N4", "10.0.0.4"), node("n4", "10.0.0.999"), NewNode { role: None, ..node("n4", "10.0.0.4") }]
    {
        assert!(matches!(add(&old, &bad), Err(EditError::Invalid(_))), "{bad:?}");
    }
    for text in ["", "nodes: {}", "nodes:\n\tn1: {}\n", "nodes: {n1: {address: x}}"] {
        assert!(matches!(add(text, &node("n4", "10.0.0.4")), Err(EditError::Invalid(_))), "{text}");
    }
}

#[test]
fn what_cannot_be_added_to_is_said() {
    let text = "nodes:\n  ? n1\n  : {address: 10.0.0.1, role: manager}\n";
    let error = add(text, &node("n4", "10.0.0.4")).expect_err("refused");
    assert!(error.to_string().ends_with(N4), "{error}");
}

#[test]
fn names_count_on() {
    for (names, free) in [
        (vec!["n1", "n2", "n3"], "n4"),
        (vec!["n1", "n3", "n2"], "n4"),
        (vec!["board-09"], "board-10"),
        (vec!["alpha", "beta"], "n1"),
        (vec!["n1", "alpha"], "n2"),
        (vec![], "n1"),
    ] {
        assert_eq!(free_name(names.iter().copied()), free, "{names:?}");
    }
}

proptest! {
    #[test]
    fn adding_keeps_every_old_line(count in 1usize..6, comment in "[a-z ]{0,9}", block: bool) {
        let entry = |index: usize| match block {
            true => format!("  n{index}: # {comment}\n    address: 10.0.0.{index}\n    role: manager\n"),
            false => format!("  n{index}: {{address: 10.0.0.{index}, role: manager}} # {comment}\n"),
        };
        let old = format!("# {comment}\nnodes:\n{}swarm: {{}}\n", (1..=count).map(entry).collect::<String>());
        let new = add(&old, &node("new", "n.lan")).expect("added");
        let kept: Vec<_> = new.lines().filter(|line| old.lines().any(|other| other == *line)).collect();
        prop_assert!(old.lines().all(|line| kept.contains(&line)));
        prop_assert_eq!(new.lines().count(), old.lines().count() + if block { 3 } else { 1 });
    }

    #[test]
    fn names_are_free(names in proptest::collection::vec("[a-z]{0,2}[0-9]{0,3}", 0..6)) {
        let free = free_name(names.iter().map(String::as_str));
        prop_assert!(!names.contains(&free));
    }
}
