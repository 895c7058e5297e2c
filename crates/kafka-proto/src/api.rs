//! The APIs: numbers, versions, and requests and responses of any of them.

use std::fmt;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};

use crate::messages;
use crate::wire::{Version, Wire, WireError};

/// An API: a request, its response, and the versions that this crate can read and write.
pub trait Api {
    /// What a client sends.
    type Request: Wire + fmt::Debug;
    /// What it gets back.
    type Response: Wire + fmt::Debug;
    /// Its number.
    const KEY: ApiKey;
    /// Versions this crate knows.
    const VERSIONS: RangeInclusive<i16>;
    /// First flexible version (KIP-482).
    const FLEXIBLE: i16;

    /// A version of this API by its number.
    fn version(number: i16) -> Version {
        Version { number, flexible: number >= Self::FLEXIBLE }
    }
}

macro_rules! apis {
    ($($name:ident = $key:literal, $module:ident;)*) => {
        /// The number of an API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKey {
            $(#[doc = concat!("API ", stringify!($key), ".")] $name = $key,)*
        }

        impl ApiKey {
            /// All that this crate knows.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// From its number.
            pub fn from_number(number: i16) -> Option<Self> {
                match number {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Versions this crate can read and write.
            pub fn versions(self) -> RangeInclusive<i16> {
                match self {
                    $(Self::$name => <messages::$module::$name as Api>::VERSIONS,)*
                }
            }

            /// A version of this API by its number.
            pub fn version(self, number: i16) -> Version {
                match self {
                    $(Self::$name => <messages::$module::$name as Api>::version(number),)*
                }
            }
        }

        /// A request of any API.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Request {
            $(#[doc = concat!("Of ", stringify!($name), ".")] $name(<messages::$module::$name as Api>::Request),)*
        }

        impl Request {
            /// Reads the body that follows the header.
            ///
            /// # Errors
            /// Whatever is wrong with it.
            pub fn read(key: ApiKey, version: i16, bytes: &mut Bytes) -> Result<Self, WireError> {
                known(key, version)?;
                match key {
                    $(ApiKey::$name => Wire::read(bytes, key.version(version)).map(Self::$name),)*
                }
            }

            /// Its API.
            pub fn key(&self) -> ApiKey {
                match self {
                    $(Self::$name(_) => ApiKey::$name,)*
                }
            }
        }

        /// A response of any API.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Response {
            $(#[doc = concat!("Of ", stringify!($name), ".")] $name(<messages::$module::$name as Api>::Response),)*
        }

        impl Response {
            /// Reads the body that follows the header.
            ///
            /// # Errors
            /// Whatever is wrong with it.
            pub fn read(key: ApiKey, version: i16, bytes: &mut Bytes) -> Result<Self, WireError> {
                known(key, version)?;
                match key {
                    $(ApiKey::$name => Wire::read(bytes, key.version(version)).map(Self::$name),)*
                }
            }

            /// Appends the body.
            ///
            /// # Errors
            /// When the version cannot carry it.
            pub fn write(&self, out: &mut BytesMut, version: i16) -> Result<(), WireError> {
                match self {
                    $(Self::$name(response) => response.write(out, ApiKey::$name.version(version)),)*
                }
            }

            /// Its API.
            pub fn key(&self) -> ApiKey {
                match self {
                    $(Self::$name(_) => ApiKey::$name,)*
                }
            }
        }

        $(
            impl From<<messages::$module::$name as Api>::Response> for Response {
                fn from(response: <messages::$module::$name as Api>::Response) -> Self {
                    Self::$name(response)
                }
            }
        )*

        /// Calls a macro with the name and module of each API.
        #[cfg(test)]
        macro_rules! for_each_api {
            ($call:ident) => {
                $($call!($name, $module);)*
            };
        }
        #[cfg(test)]
        pub(crate) use for_each_api;
    };
}

fn known(key: ApiKey, version: i16) -> Result<(), WireError> {
    if key.versions().contains(&version) {
        Ok(())
    } else {
        Err(WireError::Version { key: key as i16, version })
    }
}

apis! {
    Produce = 0, produce;
    Fetch = 1, fetch;
    ListOffsets = 2, list_offsets;
    Metadata = 3, metadata;
    OffsetCommit = 8, offset_commit;
    OffsetFetch = 9, offset_fetch;
    FindCoordinator = 10, find_coordinator;
    JoinGroup = 11, join_group;
    Heartbeat = 12, heartbeat;
    LeaveGroup = 13, leave_group;
    SyncGroup = 14, sync_group;
    DescribeGroups = 15, describe_groups;
    ListGroups = 16, list_groups;
    SaslHandshake = 17, sasl_handshake;
    ApiVersions = 18, api_versions;
    CreateTopics = 19, create_topics;
    DeleteTopics = 20, delete_topics;
    DeleteRecords = 21, delete_records;
    InitProducerId = 22, init_producer_id;
    OffsetForLeaderEpoch = 23, offset_for_leader_epoch;
    DescribeAcls = 29, describe_acls;
    CreateAcls = 30, create_acls;
    DeleteAcls = 31, delete_acls;
    DescribeConfigs = 32, describe_configs;
    AlterConfigs = 33, alter_configs;
    DescribeLogDirs = 35, describe_log_dirs;
    SaslAuthenticate = 36, sasl_authenticate;
    CreatePartitions = 37, create_partitions;
    DeleteGroups = 42, delete_groups;
    ElectLeaders = 43, elect_leaders;
    IncrementalAlterConfigs = 44, incremental_alter_configs;
    AlterPartitionReassignments = 45, alter_partition_reassignments;
    ListPartitionReassignments = 46, list_partition_reassignments;
    OffsetDelete = 47, offset_delete;
    DescribeClientQuotas = 48, describe_client_quotas;
    AlterClientQuotas = 49, alter_client_quotas;
    DescribeUserScramCredentials = 50, describe_user_scram_credentials;
    AlterUserScramCredentials = 51, alter_user_scram_credentials;
    DescribeQuorum = 55, describe_quorum;
    UpdateFeatures = 57, update_features;
    DescribeCluster = 60, describe_cluster;
    UnregisterBroker = 64, unregister_broker;
    DescribeTopicPartitions = 75, describe_topic_partitions;
    AddRaftVoter = 80, add_raft_voter;
    RemoveRaftVoter = 81, remove_raft_voter;
}
