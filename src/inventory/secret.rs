//! Where a secret comes from. The inventory is likely in git, so a secret itself never stands in it.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Where a secret comes from: exactly one of the three.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum SecretSource {
    /// An environment variable of the user's shell.
    Env(String),
    /// A file; its first line is the secret.
    File(PathBuf),
    /// A command, run by `sh -c`; the first line it prints is the secret.
    Command(String),
}

/// Why a secret could not be had. Never holds what a file or command gave.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is not UTF-8.
    #[error(
        "the environment variable `{0}` is not set; set it, or change where the inventory takes this secret from"
    )]
    NoVariable(String),
    /// The file cannot be read.
    #[error("cannot read the secret in {}: {cause}; check it with `ls -l {}`", path.display(), path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The command cannot be started.
    #[error("cannot start `{command}`, which shall give a secret: {cause}")]
    NoCommand {
        /// The command.
        command: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The command failed.
    #[error("`{command}` shall give a secret, but ended with {status}; run it yourself to see why")]
    CommandFailed {
        /// The command.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The source answered with an empty first line, or not with text.
    #[error("{0} gives no secret: its first line is empty or is not UTF-8 text")]
    Empty(SecretSource),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Command(command) => write!(f, "`{command}`"),
        }
    }
}

impl SecretSource {
    /// Fetches the secret: the first line of what the source gives.
    ///
    /// A command has the terminal's own stdin and stderr, so that it can ask for a passphrase.
    ///
    /// # Errors
    /// [`SecretError`] names the source and the cause, never the output.
    pub async fn resolve(&self) -> Result<SecretString, SecretError> {
        let bytes = match self {
            Self::Env(name) => {
                std::env::var(name).map_err(|_| SecretError::NoVariable(name.clone()))?.into_bytes()
            }
            Self::File(path) => tokio::fs::read(path)
                .await
                .map_err(|cause| SecretError::NoFile { path: path.clone(), cause })?,
            Self::Command(command) => output_of(command).await?,
        };
        first_line(bytes).ok_or_else(|| SecretError::Empty(self.clone()))
    }
}

async fn output_of(command: &str) -> Result<Vec<u8>, SecretError> {
    let output = tokio::process::Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|cause| SecretError::NoCommand { command: command.to_owned(), cause })?
        .wait_with_output()
        .await
        .map_err(|cause| SecretError::NoCommand { command: command.to_owned(), cause })?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(SecretError::CommandFailed { command: command.to_owned(), status: output.status })
    }
}

/// The first line without its end, wiping the rest; nothing where that line is empty.
fn first_line(bytes: Vec<u8>) -> Option<SecretString> {
    let whole = secrecy::SecretSlice::from(bytes);
    let bytes = secrecy::ExposeSecret::expose_secret(&whole);
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).ok()?;
    (!text.is_empty()).then(|| SecretString::from(text))
}

/// What stands in the file where a secret's source is wanted. A plain value is dropped while it is read, so
/// that no error can show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A source.
    Source(SecretSource),
    /// The secret itself, or some other thing: not allowed.
    Plain,
    /// A mapping that is no source: why.
    Odd(&'static str),
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        SecretSource::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        SecretSource::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecretSource::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{env: NAME}, {file: PATH} or {command: COMMAND}")
    }

    fn visit_str<E>(self, _: &str) -> Result<Secret, E> {
        Ok(Secret::Plain)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Secret, E> {
        Ok(Secret::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Secret, E> {
        Ok(Secret::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Secret, E> {
        Ok(Secret::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Secret, E> {
        Ok(Secret::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Secret, E> {
        Ok(Secret::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Secret, E> {
        Ok(Secret::Plain)
    }

    fn visit_unit<E>(self) -> Result<Secret, E> {
        Ok(Secret::Odd("nothing stands here"))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Secret, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Secret, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Secret::Odd("this is a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            let source = match key.as_str() {
                "env" => Secret::Source(SecretSource::Env(map.next_value()?)),
                "file" => Secret::Source(SecretSource::File(map.next_value()?)),
                "command" => Secret::Source(SecretSource::Command(map.next_value()?)),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    Secret::Odd("a key here is none of `env`, `file`, `command`")
                }
            };
            found = Some(match found {
                None => source,
                Some(_) => Secret::Odd("there is more than one key here"),
            });
        }
        Ok(found.unwrap_or(Secret::Odd("this mapping is empty")))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn resolve(source: SecretSource) -> Result<String, SecretError> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(source.resolve())
            .map(|secret| secret.expose_secret().to_owned())
    }

    fn command(text: &str) -> SecretSource {
        SecretSource::Command(text.to_owned())
    }

    #[test]
    fn a_command_gives_its_first_line() {
        for (script, secret) in [
            ("echo sesame", "sesame"),
            ("printf sesame", "sesame"),
            ("printf 'sesame\\r\\nuser: pi\\n'", "sesame"),
            ("printf ' open sesame \\n'", " open sesame "),
        ] {
            assert_eq!(resolve(command(script)).expect("a secret"), secret, "{script}");
        }
    }

    #[test]
    fn a_failed_command_is_named_with_its_status_and_without_its_output() {
        let error = resolve(command("echo sesame; exit 7")).expect_err("it failed");
        let text = format!("{error} {error:?}");
        assert!(text.contains("exit status: 7"), "{text}");
        assert_eq!(text.replace("echo sesame; exit 7", "").matches("sesame").count(), 0, "{text}");
    }

    #[test]
    fn an_empty_answer_is_no_secret() {
        for script in ["true", "echo", "printf '\\nsesame'", "printf '\\377'"] {
            assert!(matches!(resolve(command(script)), Err(SecretError::Empty(_))), "{script}");
        }
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "sesame\nmore\n").expect("written");
        let source = SecretSource::File(file.path().to_owned());
        assert_eq!(resolve(source).expect("a secret"), "sesame");
        let missing = SecretSource::File("/nonexistent/secret".into());
        assert!(matches!(resolve(missing), Err(SecretError::NoFile { .. })));
    }

    #[test]
    fn an_environment_variable_is_read() {
        let home = std::env::var("PATH").expect("every test runs with a PATH");
        assert_eq!(resolve(SecretSource::Env("PATH".into())).expect("a secret"), home);
        let missing = SecretSource::Env("SKEP_TEST_NOT_SET".into());
        let error = resolve(missing).expect_err("not set").to_string();
        assert!(error.contains("`SKEP_TEST_NOT_SET` is not set"), "{error}");
    }

    #[test]
    fn each_form_is_read_and_nothing_plain_is_kept() {
        let read = |yaml: &str| serde_saphyr::from_str::<Secret>(yaml).expect("readable");
        assert_eq!(read("{env: PI}"), Secret::Source(SecretSource::Env("PI".into())));
        assert_eq!(read("{file: pw}"), Secret::Source(SecretSource::File("pw".into())));
        assert_eq!(read("{command: pass show pi}"), Secret::Source(command("pass show pi")));
        for plain in ["sesame", "1234", "1.5", "true", "'x'", "99999999999999999999999"] {
            assert_eq!(read(plain), Secret::Plain, "{plain}");
        }
        for odd in ["[sesame]", "{}", "{env: A, file: b}", "{sesame: x}", "~"] {
            assert!(matches!(read(odd), Secret::Odd(_)), "{odd}");
        }
    }
}
