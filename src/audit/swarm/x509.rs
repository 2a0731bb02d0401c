//! What of a certificate matters here: whose it is, and from when to when it holds.

use x509_cert::Certificate as Parsed;
use x509_cert::time::Time;

/// The first certificate of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The node ID it is for.
    pub(super) common_name: String,
    /// `swarm-manager` or `swarm-worker`.
    pub(super) unit: String,
    /// From when it holds, in milliseconds since 1970.
    pub(super) from_ms: i64,
    /// Until when.
    pub(super) until_ms: i64,
}

impl Certificate {
    /// Reads a PEM text; a chain begins with the node's own.
    ///
    /// # Errors
    /// Why it is no certificate.
    pub(super) fn parse(pem: &str) -> Result<Self, String> {
        let chain = Parsed::load_pem_chain(pem.as_bytes()).map_err(|error| error.to_string())?;
        let first = chain.into_iter().next().ok_or("there is no certificate in it")?;
        let own = first.tbs_certificate();
        let (subject, validity) = (own.subject(), own.validity());
        let text = |part: Result<Option<_>, x509_cert::der::Error>| {
            part.ok().flatten().map(String::from).unwrap_or_default()
        };
        Ok(Self {
            common_name: text(subject.common_name()),
            unit: text(subject.organization_unit()),
            from_ms: unix_ms(validity.not_before),
            until_ms: unix_ms(validity.not_after),
        })
    }
}

fn unix_ms(time: Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_certificate_of_an_engine() {
        let pem = include_str!("../../../tests/fixtures/audit/swarm-node.crt");
        let read = Certificate::parse(pem).expect("an engine made it");
        assert_eq!(read.unit, "swarm-manager");
        assert_eq!(read.common_name.len(), 25);
        // 90 days, and an hour for clocks that differ.
        assert_eq!((read.until_ms - read.from_ms) / 3_600_000, 90 * 24 + 1);
        let root = Certificate::parse(include_str!("../../../tests/fixtures/audit/swarm-root-ca.crt"))
            .expect("a root");
        assert_eq!(root.common_name, "swarm-ca");
    }

    #[test]
    fn what_is_none_is_said_so() {
        let good = include_str!("../../../tests/fixtures/audit/swarm-node.crt");
        for text in [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            &good[..good.len() / 2],
        ] {
            let why = Certificate::parse(text).expect_err(text);
            assert!(!why.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_certificate_or_an_error(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let _ = Certificate::parse(&text);
            let body = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let _ = Certificate::parse(&format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"));
        }
    }
}
