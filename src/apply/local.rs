//! Hooks on the computer that skep runs on: as its user, with the user's own environment.

use crate::resource::{Fault, Host, Progress, hook};

/// Runs a hook here to its end.
///
/// # Errors
/// Where it cannot be started, does not end in time, or ends with another exit code than 0.
pub(super) async fn run(
    hook: &hook::Change,
    on_progress: impl FnMut(Progress) + Send + 'static,
) -> Result<(), Fault> {
    let (hook, mut on_progress) = (hook.clone(), on_progress);
    let what = hook.id.name.clone();
    let done = tokio::task::spawn_blocking(move || {
        // Programs of hosts get a plain environment; here the user's own programs are meant.
        let own = ["PATH", "LC_ALL"].map(|name| (name, std::env::var(name).unwrap_or_default()));
        hook::run_to_success(&hook, &Host::real(), &own, &mut on_progress)
    });
    done.await.map_err(|error| Fault::new(what, error))?
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn hook(text: &str) -> hook::Change {
        let word = str::to_owned;
        let id = hook::Id { run: word("r1"), name: word("tell"), when: word("after"), phase: word("all") };
        hook::Change { id, node: word("(controller)"), text: word(text), script: None, limit: 30 }
    }

    #[tokio::test]
    async fn it_sees_the_users_environment_and_its_lines_are_told() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lines);
        let text = "echo \"$PATH\"; echo $SKEP_NODE $SKEP_PHASE $SKEP_RUN";
        run(&hook(text), move |progress| told.lock().unwrap().push(progress.text)).await.unwrap();
        assert_eq!(
            *lines.lock().unwrap(),
            [std::env::var("PATH").unwrap(), "(controller) all r1".to_owned()]
        );
    }

    #[tokio::test]
    async fn its_failure_is_told() {
        let fault = run(&hook("echo no; exit 3"), |_| {}).await.unwrap_err();
        assert_eq!(fault.to_string(), "hook tell, after all else: ended with exit code 3; it said last: no");
    }
}
