//! Which one it is.

use super::*;

#[test]
fn where_it_comes_from() {
    let version = |wanted: &str, source| {
        let wanted = wanted.to_owned();
        healthy().inventory(move |inventory| {
            inventory.engine.source = source;
            inventory.engine.source_is_named = true;
            inventory.engine.version = Some(wanted);
        })
    };
    table(
        &PACKAGES,
        vec![
            (healthy(), "ok n1: the engine's packages are as wanted, or can be had"),
            (
                version("28.*", EngineSource::Distro),
                "error n1: there is an engine that no package holds, in the way of the distribution's engine",
            ),
        ],
    );
    table(
        &VERSION,
        vec![
            (healthy(), "ok n1: Docker 28.5.2"),
            (version("28.*", EngineSource::Docker), "ok n1: Docker 28.5.2"),
            (
                version("29.*", EngineSource::Docker),
                "warning n1: Docker is 28.5.2, and the inventory wants 29.*",
            ),
            (
                version("27.*", EngineSource::Docker),
                "warning n1: Docker is 28.5.2, and the inventory wants 27.*",
            ),
            (version("29.*", EngineSource::Keep), "ok n1: Docker 28.5.2"),
            (
                is(engine("20.10.24+dfsg1")),
                "note n1: Docker 20.10.24+dfsg1 is old: its `docker` lacks `--format json` and `docker stack config`",
            ),
            (is(engine("19.03.1")), "warning n1: Docker 19.03.1 is older than skep knows"),
            (
                is(engine("29.1.0")),
                "note n1: Docker 29.1.0 refuses clients below API version 1.44, such as older dashboards and proxies",
            ),
            (is(engine("29.3.0")), "ok n1: Docker 29.3.0"),
            (is(engine("dev")), "unknown n1: Docker calls its version dev, which has no numbers"),
            (single(), ""),
        ],
    );
    let two = |first: &str, second: &str| {
        let (first, second) = (engine(first), engine(second));
        cluster().facts("n1", |facts| facts.engine = first).facts("n2", |facts| facts.engine = second)
    };
    table(
        &VERSIONS,
        vec![
            (healthy(), ""),
            (two("28.5.2", "28.5.2"), "ok n1 n2: all have the same engine"),
            (two("28.5.1", "28.5.2"), "note n1 n2: the engines differ a little: 28.5.1 on n1; 28.5.2 on n2"),
            (
                two("28.5.2", "20.10.24"),
                "warning n2 n1: the engines are of different versions: 20.10.24 on n2; 28.5.2 on n1",
            ),
        ],
    );
}
