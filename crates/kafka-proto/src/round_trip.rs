//! Every API in every version: what is written is read back, what is read never panics, and `kafka-protocol`
//! reads and writes the same bytes.

use bytes::{Bytes, BytesMut};

use crate::sample::{Sample, Seed};
use crate::wire::{Wire, WireError};
use crate::{Api, ApiKey, Request, Response, messages};

const SEEDS: u64 = 20;

fn round_trip<T: Wire + Sample + PartialEq + std::fmt::Debug, A: Api>() {
    for number in A::VERSIONS {
        let version = A::version(number);
        for seed in 0..SEEDS {
            let sent = T::sample(&mut Seed(seed), version);
            let mut out = BytesMut::new();
            sent.write(&mut out, version).unwrap();
            let mut bytes = out.freeze();
            let whole = bytes.clone();
            assert_eq!(T::read(&mut bytes, version).unwrap(), sent, "{:?} v{number}", A::KEY);
            assert!(bytes.is_empty(), "{:?} v{number} leaves bytes", A::KEY);
            // Cut short anywhere, it is an error and no panic.
            for end in (0..whole.len()).step_by(1 + whole.len() / 16) {
                assert!(T::read(&mut whole.slice(..end), version).is_err());
            }
        }
    }
}

macro_rules! check {
    ($name:ident, $module:ident) => {
        round_trip::<<messages::$module::$name as Api>::Request, messages::$module::$name>();
        round_trip::<<messages::$module::$name as Api>::Response, messages::$module::$name>();
    };
}

#[test]
fn messages_come_back_in_every_version() {
    crate::api::for_each_api!(check);
}

macro_rules! agree {
    ($name:ident, $module:ident) => {
        paste_agree!($name, $module);
    };
}

/// Compares with another codec: our bytes are read there and come back the same.
macro_rules! paste_agree {
    ($name:ident, $module:ident) => {{
        for number in <messages::$module::$name as Api>::VERSIONS {
            let version = <messages::$module::$name as Api>::version(number);
            for seed in 0..SEEDS {
                let request =
                    <messages::$module::$name as Api>::Request::sample(&mut Seed(seed), version);
                let mut out = BytesMut::new();
                request.write(&mut out, version).unwrap();
                peer::request(ApiKey::$name, number, &out.freeze());
                let response =
                    <messages::$module::$name as Api>::Response::sample(&mut Seed(seed), version);
                let mut out = BytesMut::new();
                response.write(&mut out, version).unwrap();
                peer::response(ApiKey::$name, number, &out.freeze());
            }
        }
    }};
}

mod peer {
    use bytes::{Buf, Bytes, BytesMut};
    use kafka_protocol::messages::{RequestKind, ResponseKind};

    use crate::ApiKey;

    fn key(ours: ApiKey) -> kafka_protocol::messages::ApiKey {
        kafka_protocol::messages::ApiKey::try_from(ours as i16).unwrap()
    }

    fn knows(ours: ApiKey, version: i16) -> bool {
        let range = key(ours).valid_versions();
        (range.min..=range.max).contains(&version)
    }

    pub(super) fn request(ours: ApiKey, version: i16, bytes: &Bytes) {
        if !knows(ours, version) {
            return;
        }
        let mut rest = bytes.clone();
        let read = RequestKind::decode(key(ours), &mut rest, version);
        let read = read.unwrap_or_else(|e| panic!("{ours:?} request v{version}: {e}"));
        assert!(!rest.has_remaining(), "{ours:?} request v{version}: bytes left over");
        let mut out = BytesMut::new();
        read.encode(&mut out, version).unwrap_or_else(|e| panic!("{ours:?} v{version}: {e}"));
        assert_eq!(&out.freeze(), bytes, "{ours:?} request v{version}");
    }

    pub(super) fn response(ours: ApiKey, version: i16, bytes: &Bytes) {
        if !knows(ours, version) {
            return;
        }
        let mut rest = bytes.clone();
        let read = ResponseKind::decode(key(ours), &mut rest, version);
        let read = read.unwrap_or_else(|e| panic!("{ours:?} response v{version}: {e}"));
        assert!(!rest.has_remaining(), "{ours:?} response v{version}: bytes left over");
        let mut out = BytesMut::new();
        read.encode(&mut out, version).unwrap_or_else(|e| panic!("{ours:?} v{version}: {e}"));
        assert_eq!(&out.freeze(), bytes, "{ours:?} response v{version}");
    }
}

#[test]
fn another_codec_reads_and_writes_the_same_bytes() {
    crate::api::for_each_api!(agree);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        for key in ApiKey::ALL {
            for version in key.versions() {
                let _ = Request::read(*key, version, &mut Bytes::from(bytes.clone()));
                let _ = Response::read(*key, version, &mut Bytes::from(bytes.clone()));
            }
        }
    }
}

#[test]
fn count_that_lies_is_refused_before_anything_is_reserved() {
    let mut bytes = Bytes::from_static(b"\x7f\xff\xff\xff\0");
    let refused = Request::read(ApiKey::Metadata, 4, &mut bytes);
    assert_eq!(refused, Err(WireError::Length(i64::from(i32::MAX))));
}

#[test]
fn field_that_a_version_cannot_carry_is_refused() {
    use messages::create_topics::{CreateTopics, CreateTopicsRequest};
    use messages::join_group::{JoinGroup, JoinGroupRequest};
    let request = JoinGroupRequest { group_instance_id: Some("a".into()), ..Default::default() };
    let refused = request.write(&mut BytesMut::new(), JoinGroup::version(4));
    assert!(matches!(refused, Err(WireError::NotInVersion { version: 4, .. })), "{refused:?}");
    let request = CreateTopicsRequest { validate_only: true, ..Default::default() };
    assert!(request.write(&mut BytesMut::new(), CreateTopics::version(2)).is_ok());
}

#[test]
fn lists_of_small_elements_are_bounded_over_the_whole_message() {
    // A topic without a name or partitions takes 3 bytes here and 80 and more in memory.
    let many = 1 << 20;
    let mut request = vec![0, 0xff, 0xff, 0, 0, 0, 0, 0x81, 0x80, 0x40];
    request.extend(b"\x01\x01\0".repeat(many));
    request.push(0);
    let refused = Request::read(ApiKey::Produce, 9, &mut Bytes::from(request));
    assert!(matches!(refused, Err(WireError::Lists { .. })), "{:?}", refused.err());
    // In many lists as in one: 4,096 topics of 256 partitions each.
    let mut request = vec![0, 0xff, 0xff, 0, 0, 0, 0, 0x81, 0x20];
    let topic = [&b"\x01\x81\x02"[..], &b"\0\0\0\0\0\0".repeat(256), b"\0"].concat();
    request.extend(topic.repeat(4096));
    request.push(0);
    let refused = Request::read(ApiKey::Produce, 9, &mut Bytes::from(request));
    assert!(matches!(refused, Err(WireError::Lists { .. })), "{:?}", refused.err());
}
