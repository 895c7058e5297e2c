//! The subject of a certificate, written as Kafka writes it.

/// RFC 2253: the last name first, as `CN=klamm-operator,O=my-cluster`; `None` when it is no certificate. Attributes
/// that RFC 2253 has no name for are written as their OID in hexadecimal, and so equal no name that is configured.
pub fn subject(certificate: &[u8]) -> Option<String> {
    let mut rest = certificate;
    let (_, mut rest) = element(&mut rest).filter(|(tag, _)| *tag == SEQUENCE)?;
    let (_, mut rest) = element(&mut rest).filter(|(tag, _)| *tag == SEQUENCE)?;
    let mut first = element(&mut rest)?;
    if first.0 == VERSION {
        first = element(&mut rest)?;
    }
    let (INTEGER, _) = first else { return None };
    for _signature_issuer_validity in 0..3 {
        element(&mut rest)?;
    }
    let (_, names) = element(&mut rest).filter(|(tag, _)| *tag == SEQUENCE)?;
    name(names)
}

const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0] EXPLICIT`.
const VERSION: u8 = 0xa0;

/// The text types of names that are read: UTF8String, PrintableString, IA5String.
const TEXT: [u8; 3] = [0x0c, 0x13, 0x16];

fn name(mut names: &[u8]) -> Option<String> {
    let mut written = Vec::new();
    while !names.is_empty() {
        let (_, mut set) = element(&mut names).filter(|(tag, _)| *tag == SET)?;
        let mut of_set = Vec::new();
        while !set.is_empty() {
            let (_, pair) = element(&mut set).filter(|(tag, _)| *tag == SEQUENCE)?;
            of_set.push(attribute(pair)?);
        }
        written.push(of_set.join("+"));
    }
    written.reverse();
    Some(written.join(","))
}

fn attribute(mut pair: &[u8]) -> Option<String> {
    let (_, oid) = element(&mut pair).filter(|(tag, _)| *tag == OID)?;
    let (_, value) = element(&mut pair).filter(|(tag, _)| TEXT.contains(tag))?;
    let name = match oid {
        [0x55, 0x04, 0x03] => "CN".to_owned(),
        [0x55, 0x04, 0x06] => "C".to_owned(),
        [0x55, 0x04, 0x07] => "L".to_owned(),
        [0x55, 0x04, 0x08] => "ST".to_owned(),
        [0x55, 0x04, 0x0a] => "O".to_owned(),
        [0x55, 0x04, 0x0b] => "OU".to_owned(),
        other => other.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    Some(format!("{name}={}", escape(std::str::from_utf8(value).ok()?)))
}

/// So that no value looks like two attributes.
fn escape(value: &str) -> String {
    let mut written = String::with_capacity(value.len());
    for (index, c) in value.char_indices() {
        let at_an_end = index == 0 || index + 1 == value.len();
        if ",+\"\\<>;=".contains(c) || (c == ' ' && at_an_end) || (c == '#' && index == 0) {
            written.push('\\');
        }
        written.push(c);
    }
    written
}

/// Takes a DER element: its tag and content.
fn element<'a>(from: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = from.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first & 0x7f);
    if first & 0x80 != 0 {
        // At most three bytes: no certificate has 16 MiB.
        let bytes = rest.get(..length).filter(|bytes| (1..=3).contains(&bytes.len()))?;
        rest = &rest[length..];
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    }
    let (content, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn last_name_is_written_first() {
        let der = certificate(&[
            (DnType::OrganizationName, "my-cluster"),
            (DnType::CommonName, "klamm-operator"),
        ]);
        assert_eq!(subject(&der).as_deref(), Some("CN=klamm-operator,O=my-cluster"));
    }

    #[test]
    fn value_cannot_pass_for_two_names() {
        let der = certificate(&[(DnType::CommonName, "klamm-operator,O=my-cluster")]);
        assert_eq!(subject(&der).as_deref(), Some("CN=klamm-operator\\,O\\=my-cluster"));
        let der = certificate(&[(DnType::CommonName, " a ")]);
        assert_eq!(subject(&der).as_deref(), Some("CN=\\ a\\ "));
    }

    #[test]
    fn unknown_attribute_is_no_known_one() {
        let der = certificate(&[(DnType::CustomDnType(vec![1, 2, 3]), "x")]);
        assert_eq!(subject(&der).as_deref(), Some("2a03=x"));
    }

    #[test]
    fn nothing_that_is_cut_or_changed_is_a_panic() {
        let der = certificate(&[(DnType::CommonName, "klamm-operator")]);
        for length in 0..der.len() {
            assert_eq!(subject(&der[..length]), None);
        }
        for index in 0..der.len() {
            for value in [0x00, 0x7f, 0x80, 0x83, 0xff] {
                let mut changed = der.clone();
                changed[index] = value;
                let _ = subject(&changed);
            }
        }
    }
}
