//! The page of an audit in a real browser: as it is shown, filtered, opened and printed.

#[expect(dead_code, reason = "what other test files need")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use skep::audit::{CHECKS, Changes, Report, Severity};
use skep::report::audit_page;

const SAMPLE: &str = include_str!("fixtures/audit/v1.json");
/// The browser's usual names.
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const PDFTOTEXT: &str = "/usr/bin/pdftotext";

/// A sample with changes since the day before, and a host that is hostile.
fn sample() -> String {
    let mut report = Report::read(SAMPLE).unwrap();
    let mut before = report.clone();
    before.unreachable.clear();
    before
        .verdicts
        .iter_mut()
        .filter(|verdict| verdict.severity == Severity::Note)
        .for_each(|verdict| verdict.severity = Severity::Error);
    // The sample is older than these places and this severity.
    for verdict in report.verdicts.iter_mut().filter(|verdict| verdict.severity < Severity::Ok) {
        match verdict.check.as_str() {
            "ports" => verdict.evidence[0].place = format!("{} to 192.168.2.3, 4789/udp", verdict.nodes[0]),
            "mtu" => {
                verdict.severity = Severity::Error;
                verdict.evidence[0].place = "n2 to n3, 4789/udp".to_owned();
            }
            _ => {}
        }
    }
    report.nodes[3].hostname = "<script>document.title='owned'</script>".to_owned();
    report.verdicts[0].evidence[0].text = "<img src=x onerror=\"document.title='owned'\">".to_owned();
    audit_page(&report, Some(&Changes::between(&before, &report)), CHECKS)
}

/// Runs the browser on a file; none where there is no browser.
fn browse(folder: &Path, arguments: &[&str], url: &str) -> Option<Output> {
    let Some(browser) = BROWSERS.iter().find(|path| Path::new(path).exists()) else {
        support::left_out("a browser (Debian package chromium)");
        return None;
    };
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let mut command = Command::new("timeout");
    command.args([
        "120",
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        &profile,
    ]);
    command.args([
        "--no-first-run",
        "--disable-extensions",
        "--enable-logging=stderr",
        "--virtual-time-budget=20000",
    ]);
    let output = command.args(arguments).arg(url).env("HOME", folder).output().expect("the browser starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let said: Vec<_> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(said.is_empty(), "the page complains: {said:#?}");
    Some(output)
}

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// Shows the page in a frame of that width, and tells what `script` returns; it has the page as `page`.
fn in_frame(width: u32, script: &str) -> Option<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    // Within a script nothing but this ends the script.
    let page = serde_json::to_string(&sample()).expect("a text").replace('<', "\\u003c");
    let wrapper = format!(
        "<!doctype html><meta charset=utf-8><pre id=out></pre><script>
        const frame = document.createElement('iframe');
        frame.width = {width}; frame.height = 844; frame.style.border = 0;
        frame.onload = async () => {{
          frame.onload = null;
          const page = frame.contentDocument;
          const one = (selector) => page.querySelector(selector);
          const all = (selector) => [...page.querySelectorAll(selector)];
          const seen = (selector) => all(selector).filter((element) => element.getClientRects().length).length;
          let out;
          try {{ out = await (async () => {{ {script} }})(); }} catch (error) {{ out = {{failed: String(error)}}; }}
          frame.remove();
          document.getElementById('out').textContent = JSON.stringify(out);
        }};
        frame.srcdoc = {page};
        document.body.append(frame);
        </script>"
    );
    let path = written(folder.path(), "frame.html", &wrapper);
    let output = browse(folder.path(), &["--dump-dom"], &url(&path))?;
    let dom = String::from_utf8_lossy(&output.stdout);
    let (_, out) = dom.split_once("<pre id=\"out\">").expect("what the script wrote");
    let out = out.split_once("</pre>").expect("its end").0;
    let out = out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    Some(serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}")))
}

#[test]
fn on_a_phone_and_on_a_desk_nothing_sticks_out_and_hosts_run_nothing() {
    for (width, drawing) in [(390, "narrow"), (1280, "wide")] {
        let script = "const root = page.documentElement;
            return {sticks_out: root.scrollWidth > root.clientWidth, title: page.title, drawing: all('.comb').filter((comb) => comb.getClientRects().length)
                .map((comb) => comb.classList[1]).join(), findings: all('.finding').length, rows: all('.matrix .row').length,
                unreached: one('.unreached').textContent, changes: all('.changes li').length, tiles: seen('.tile')};";
        let Some(seen) = in_frame(width, script) else { return };
        assert_eq!(seen["sticks_out"], false, "{width}: {seen}");
        assert_eq!(seen["title"], "Audit of home, 2026-07-27 10:15 UTC", "a host's script ran");
        assert_eq!((&seen["drawing"], &seen["tiles"]), (&drawing.into(), &5.into()), "{seen}");
        assert_eq!((&seen["findings"], &seen["rows"]), (&34.into(), &24.into()), "{seen}");
        assert!(seen["unreached"].as_str().is_some_and(|text| text.contains("no route to host")), "{seen}");
        assert!(seen["changes"].as_u64().is_some_and(|changes| changes > 1), "{seen}");
    }
}

#[test]
fn details_open_by_a_click_in_the_matrix_and_findings_are_filtered() {
    let script = "
        const told = {before: seen('.finding'), kinds: seen('.kind-button')};
        all('.matrix a.error').find((sign) => sign.ariaLabel.includes('kernel-overlay')).click();
        told.dialog = one('dialog').open && one('dialog').textContent;
        one('dialog .close').click();
        told.closed = !one('dialog').open;
        const set = (selector, value, event) => { one(selector).value = value; one(selector).dispatchEvent(new Event(event)); };
        set('#words', 'fsid', 'input');
        told.searched = all('.finding:not([hidden])').map((finding) => finding.querySelector('.id').textContent);
        set('#words', '', 'input');
        set('#node', '3', 'change');
        told.node = all('.finding:not([hidden])').every((finding) => finding.dataset.nodes.split(' ').includes('3'));
        told.columns = all('.matrix thead th:not([hidden])').map((column) => column.textContent.trim());
        set('#node', '', 'change');
        one('.kind-button.error').click();
        told.without = all('.finding.error:not([hidden])').length;
        one('.kind-button.error').click();
        one('.tile').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
        told.tile = one('#node').value;
        set('#node', '', 'change');
        one('#unfold').click();
        told.unfolded = all('.finding').every((finding) => finding.open);
        told.copy = seen('.copy') > 4 && one('.copy').dataset.copy;
        told.shown = one('#shown').value;
        return told;";
    let Some(told) = in_frame(1280, script) else { return };
    assert!(told["failed"].is_null(), "{told}");
    let dialog = told["dialog"].as_str().unwrap_or_default();
    assert!(
        dialog.contains("overlay networks cannot be made") && dialog.contains("linux-image-current"),
        "{told}"
    );
    assert_eq!(
        (&told["closed"], &told["node"], &told["unfolded"]),
        (&true.into(), &true.into(), &true.into()),
        "{told}"
    );
    assert_eq!(told["searched"], serde_json::json!(["nfs-root"]));
    assert_eq!(told["columns"], serde_json::json!(["check", "n4"]));
    assert_eq!(
        (&told["without"], &told["tile"], &told["shown"]),
        (&0.into(), &"0".into(), &"".into()),
        "{told}"
    );
    assert!(
        told["copy"].as_str().is_some_and(|text| text.starts_with("apt-get install linux-image")),
        "{told}"
    );
}

#[test]
fn a_cell_between_nodes_that_is_amiss_leads_to_its_finding_on_a_phone_too() {
    let script = "
        const told = {marked: all('.port td.error').length, links: all('.port td a').map((link) => link.textContent)};
        const opened = (link) => {
          link.click();
          const text = one('dialog').open && one('dialog').textContent;
          one('dialog .close').click();
          return [link.parentElement.className, link.hash, page.querySelector(link.hash) !== null, text];
        };
        told.opened = all('.port td a').map(opened);
        const box = one('.port td a').getBoundingClientRect();
        told.box = [box.width, box.height];
        return told;";
    for width in [390, 1280] {
        let Some(told) = in_frame(width, script) else { return };
        assert!(told["failed"].is_null(), "{told}");
        // Two that no verdict of the sample is about stay words.
        assert_eq!(
            (&told["marked"], &told["links"]),
            (&5.into(), &serde_json::json!(["✕", "✕", "1400"])),
            "{told}"
        );
        let dialogs =
            ["4789/udp does not reach n3", "4789/udp does not reach n3", "packets of more than 1400 bytes"];
        let remedies = ["nft add rule", "nft add rule", "mtu: 1350"];
        for ((opened, words), remedy) in told["opened"].as_array().unwrap().iter().zip(dialogs).zip(remedies)
        {
            assert_eq!((&opened[0], &opened[2]), (&"error".into(), &true.into()), "{told}");
            let text = opened[3].as_str().unwrap_or_default();
            assert!(text.contains(words) && text.contains(remedy), "{told}");
        }
        let wide = |at: usize| told["box"][at].as_f64().is_some_and(|pixels| pixels >= 24.0);
        assert!(wide(0) && wide(1), "a finger hits nothing smaller: {told}");
    }
}

/// The numbers of the findings that are open after a link to one of them was followed.
fn opened_by_link(page: &str, number: &str) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let link = format!("{}#f{number}", url(&written(folder.path(), "audit.html", page)));
    let output = browse(folder.path(), &["--dump-dom", "--window-size=1280,900"], &link)?;
    let dom = String::from_utf8_lossy(&output.stdout);
    let open = |part: &&str| part.split('>').next().is_some_and(|tag| tag.contains("open="));
    let number = |part: &str| Some(part.split_once("id=\"f")?.1.split('"').next()?.to_owned());
    Some(dom.split("<details class=\"finding ").filter(open).filter_map(number).collect())
}

#[test]
fn a_link_to_a_finding_opens_it_with_and_without_scripts() {
    let page = sample();
    let (before, rest) = page.split_once("<script>").expect("its script");
    let still = format!("{before}{}", rest.split_once("</script>").expect("its end").1);
    // The second is among those that are well, and so within other details.
    for number in ["3", "15"] {
        for page in [&page, &still] {
            let Some(opened) = opened_by_link(page, number) else { return };
            assert_eq!(opened, [number]);
        }
    }
}

#[test]
fn in_print_all_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = written(folder.path(), "audit.html", &sample());
    let pdf = folder.path().join("audit.pdf");
    let print = format!("--print-to-pdf={}", pdf.display());
    if browse(folder.path(), &[&print, "--no-pdf-header-footer"], &url(&path)).is_none() {
        return;
    }
    if !Path::new(PDFTOTEXT).exists() {
        return support::left_out("pdftotext (Debian package poppler-utils)");
    }
    let output = Command::new(PDFTOTEXT).arg(&pdf).arg("-").output().expect("pdftotext starts");
    let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "timedatectl set-ntp true",
        "/sys/fs/cgroup/cgroup.controllers",
        "refused by 192.168.2.3",
        "Orange Pi Zero 2",
    ] {
        assert!(text.contains(part), "{part} is not in print:\n{text}");
    }
    assert!(!text.contains("open all") && !text.contains("Search"), "no filter in print:\n{text}");
}

/// For whoever wants to see the page: `target/audit-page` holds it as it is on a phone and on a desk, light and dark.
#[test]
fn it_is_shown_on_a_phone_and_on_a_desk_in_light_and_in_dark() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("audit-page");
    std::fs::create_dir_all(&folder).expect("a folder");
    written(&folder, "audit.html", &sample());
    let mut seen = Vec::new();
    for (width, height) in [(390_u32, 9000), (1280, 5000)] {
        // A browser's window is never as narrow as a phone, and a frame may be.
        let frame = format!(
            "<!doctype html><meta name=color-scheme content='light dark'><style>body {{ margin: 0 }}</style>
            <iframe src=audit.html width={width} height={height} style='border: 0; display: block'></iframe>"
        );
        let path = written(&folder, &format!("frame-{width}.html"), &frame);
        for (scheme, setting) in [("light", "preferredColorScheme=1"), ("dark", "preferredColorScheme=0")] {
            let profile = tempfile::tempdir().expect("a folder");
            let picture = folder.join(format!("audit-{width}-{scheme}.png"));
            let _ = std::fs::remove_file(&picture);
            let arguments = [
                &format!("--screenshot={}", picture.display()),
                &format!("--window-size={width},{height}"),
                &format!("--blink-settings={setting}"),
                "--hide-scrollbars",
            ];
            if browse(profile.path(), &arguments, &url(&path)).is_none() {
                return;
            }
            let bytes = std::fs::read(&picture).expect("a picture");
            // An image's first chunk begins with its width (PNG, third edition, 11.2.1).
            assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "{}", picture.display());
            assert_eq!(bytes[16..20], width.to_be_bytes(), "{}", picture.display());
            seen.push(bytes);
        }
    }
    assert!(seen[0] != seen[1] && seen[2] != seen[3], "dark is as light is");
}
