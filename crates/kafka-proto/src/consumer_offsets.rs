//! Records of the topic `__consumer_offsets`: committed offsets and group metadata, as Kafka's group coordinator
//! writes them and its tools read them. Each key and each value begins with its version in two bytes.

use bytes::{Bytes, BytesMut};

use crate::declare::structs;
use crate::wire::{Str, Version, Wire, WireError};

/// Version of an [`OffsetCommitKey`]; 0 is the same.
const OFFSET_KEY: i16 = 1;
/// Version of a [`GroupMetadataKey`].
const GROUP_KEY: i16 = 2;
/// Newest version of both values that is not flexible.
const VALUE_MAX: i16 = 3;

structs! {
    /// Whose offset it is.
    OffsetCommitKey {
        group: Str [0..],
        topic: Str [0..],
        partition: i32 [0..],
    }

    /// A committed offset.
    OffsetCommitValue {
        offset: i64 [0..],
        leader_epoch: i32 [3..] = -1; ignorable,
        metadata: Str [0..],
        /// Milliseconds since 1970.
        commit_timestamp: i64 [0..],
        /// Milliseconds since 1970, when the client asked for a retention of its own (up to OffsetCommit version 4).
        expire_timestamp: i64 [1..=1] = -1,
    }

    /// Which group.
    GroupMetadataKey {
        group: Str [0..],
    }

    /// One generation of a group.
    GroupMetadataValue {
        protocol_type: Str [0..],
        generation: i32 [0..],
        protocol: Option<Str> [0..],
        leader: Option<Str> [0..],
        /// Milliseconds since 1970.
        current_state_timestamp: i64 [2..] = -1,
        members: Vec<GroupMember> [0..],
    }

    /// A member of it.
    GroupMember {
        member_id: Str [0..],
        group_instance_id: Option<Str> [3..],
        client_id: Str [0..],
        client_host: Str [0..],
        /// Milliseconds.
        rebalance_timeout: i32 [1..],
        /// Milliseconds.
        session_timeout: i32 [0..],
        subscription: Bytes [0..],
        assignment: Bytes [0..],
    }
}

/// The key of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// Of a committed offset.
    Offset(OffsetCommitKey),
    /// Of a group.
    Group(GroupMetadataKey),
    /// Of something newer, with its version.
    Other(i16),
}

fn plain(number: i16) -> Version {
    Version { number, flexible: false }
}

impl Key {
    /// From a record's key.
    ///
    /// # Errors
    /// Whatever is wrong with the bytes.
    pub fn read(mut bytes: Bytes) -> Result<Self, WireError> {
        let version = plain(i16::read(&mut bytes, plain(0))?);
        match version.number {
            0 | OFFSET_KEY => Wire::read(&mut bytes, version).map(Self::Offset),
            GROUP_KEY => Wire::read(&mut bytes, version).map(Self::Group),
            other => Ok(Self::Other(other)),
        }
    }
}

fn read_value<T: Wire>(mut bytes: Bytes, key: i16) -> Result<T, WireError> {
    let version = i16::read(&mut bytes, plain(0))?;
    if (0..=VALUE_MAX).contains(&version) {
        T::read(&mut bytes, plain(version))
    } else {
        Err(WireError::Version { key, version })
    }
}

fn write(value: &impl Wire, version: i16) -> Result<Bytes, WireError> {
    let mut out = BytesMut::new();
    version.write(&mut out, plain(0))?;
    value.write(&mut out, plain(version))?;
    Ok(out.freeze())
}

impl OffsetCommitKey {
    /// A record's key.
    ///
    /// # Errors
    /// When a name is longer than 32,767 bytes.
    pub fn to_bytes(&self) -> Result<Bytes, WireError> {
        write(self, OFFSET_KEY)
    }
}

impl OffsetCommitValue {
    /// From a record's value.
    ///
    /// # Errors
    /// Whatever is wrong with the bytes.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, WireError> {
        read_value(bytes, OFFSET_KEY)
    }

    /// A record's value; in version 1 when it has a time to expire, as only that can carry it.
    ///
    /// # Errors
    /// When the metadata is longer than 32,767 bytes.
    pub fn to_bytes(&self) -> Result<Bytes, WireError> {
        write(self, if self.expire_timestamp < 0 { VALUE_MAX } else { 1 })
    }
}

impl GroupMetadataKey {
    /// A record's key.
    ///
    /// # Errors
    /// When the name is longer than 32,767 bytes.
    pub fn to_bytes(&self) -> Result<Bytes, WireError> {
        write(self, GROUP_KEY)
    }
}

impl GroupMetadataValue {
    /// From a record's value.
    ///
    /// # Errors
    /// Whatever is wrong with the bytes.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, WireError> {
        read_value(bytes, GROUP_KEY)
    }

    /// A record's value.
    ///
    /// # Errors
    /// When a text is longer than 32,767 bytes.
    pub fn to_bytes(&self) -> Result<Bytes, WireError> {
        write(self, VALUE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_offset_has_the_bytes_of_kafkas_schema() {
        let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
        let bytes = key.to_bytes().unwrap();
        assert_eq!(&bytes[..], b"\0\x01\0\x01g\0\x01t\0\0\0\x03");
        assert_eq!(Key::read(bytes), Ok(Key::Offset(key)));
        let value = OffsetCommitValue {
            offset: 7,
            leader_epoch: 2,
            metadata: "m".into(),
            commit_timestamp: 9,
            ..Default::default()
        };
        let bytes = value.to_bytes().unwrap();
        assert_eq!(&bytes[..], b"\0\x03\0\0\0\0\0\0\0\x07\0\0\0\x02\0\x01m\0\0\0\0\0\0\0\x09");
        assert_eq!(OffsetCommitValue::from_bytes(bytes), Ok(value));
    }

    #[test]
    fn own_retention_of_an_offset_survives_in_version_1() {
        let value = OffsetCommitValue { offset: 7, expire_timestamp: 99, ..Default::default() };
        let value = OffsetCommitValue { leader_epoch: -1, ..value };
        let bytes = value.to_bytes().unwrap();
        assert_eq!(&bytes[..2], b"\0\x01");
        assert_eq!(OffsetCommitValue::from_bytes(bytes), Ok(value));
    }

    #[test]
    fn group_metadata_comes_back_as_it_was() {
        let member = GroupMember {
            member_id: "m".into(),
            group_instance_id: Some("i".into()),
            client_id: "c".into(),
            client_host: "/h".into(),
            rebalance_timeout: 1,
            session_timeout: 2,
            subscription: Bytes::from_static(b"s"),
            assignment: Bytes::from_static(b"a"),
        };
        let value = GroupMetadataValue {
            protocol_type: "consumer".into(),
            generation: 4,
            protocol: Some("range".into()),
            leader: None,
            current_state_timestamp: 5,
            members: vec![member],
        };
        let bytes = value.to_bytes().unwrap();
        assert_eq!(GroupMetadataValue::from_bytes(bytes), Ok(value));
        let newer = Bytes::from_static(b"\0\x04\0");
        let refused = Err(WireError::Version { key: 2, version: 4 });
        assert_eq!(GroupMetadataValue::from_bytes(newer), refused);
        assert_eq!(Key::read(Bytes::from_static(b"\0\x09")), Ok(Key::Other(9)));
        assert_eq!(Key::read(Bytes::from_static(b"\0")), Err(WireError::Truncated));
    }
}
