//! The manifest: the state of everything as of a point in the write-ahead log, in one file that is
//! replaced as a whole. What happened since is in the write-ahead log.

use std::collections::BTreeMap;
use std::io::IoSlice;

use bytes::BufMut;
use klamm_kafka_proto::records::crc32c;
use uuid::Uuid;

use super::chain::Segment;
use super::codec::{Input, put_list, put_text, put_texts};
use super::disk::{Disk, Open, failed};
use super::producers::{Producer, Sent};
use crate::LogError;

const NAME: &str = "manifest";
const NEW: &str = "manifest.new";
/// Says what the file is and in which version.
const MAGIC: u64 = u64::from_be_bytes(*b"klammMF1");

/// A topic without its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicImage {
    pub(super) id: Uuid,
    pub(super) name: String,
    /// Configurations set for it.
    pub(super) given: BTreeMap<String, String>,
    /// Numbers of its partitions, by index.
    pub(super) partitions: Vec<u64>,
}

/// A partition's state.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PartitionImage {
    pub(super) log_start: i64,
    pub(super) end: i64,
    pub(super) segments: Vec<Segment>,
    pub(super) epochs: Vec<(i32, i64)>,
    pub(super) producers: Vec<(i64, Producer)>,
}

/// Everything.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Manifest {
    pub(super) cluster_id: String,
    /// Records of the write-ahead log from this number on are not in the manifest, or only in part.
    pub(super) lsn: u64,
    /// The log was closed, and nothing was written after this.
    pub(super) clean: bool,
    /// Leader epoch.
    pub(super) epoch: i32,
    /// Numbers of partitions from here on are free.
    pub(super) next_partition: u64,
    /// Producer ids from here on are free.
    pub(super) producer_ids: i64,
    /// Each with its partitions' states, by index.
    pub(super) topics: Vec<(TopicImage, Vec<PartitionImage>)>,
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.put_u64(MAGIC);
        put_text(&mut out, &self.cluster_id);
        out.put_u64(self.lsn);
        out.put_u8(self.clean.into());
        out.put_i32(self.epoch);
        out.put_u64(self.next_partition);
        out.put_i64(self.producer_ids);
        put_list(&mut out, self.topics.iter(), |out, (topic, partitions)| {
            out.extend_from_slice(topic.id.as_bytes());
            put_text(out, &topic.name);
            put_texts(out, &topic.given);
            put_list(out, topic.partitions.iter().zip(partitions), |out, (number, partition)| {
                out.put_u64(*number);
                partition.put(out);
            });
        });
        let crc = crc32c(&out[4..]);
        out[..4].copy_from_slice(&crc.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        let mut input = Input::new(bytes, NAME);
        let crc = input.u32()?;
        if crc32c(&bytes[4..]) != crc || input.u64()? != MAGIC {
            return Err(LogError::Corrupt("the manifest's checksum or version is wrong".into()));
        }
        Ok(Self {
            cluster_id: input.text()?,
            lsn: input.u64()?,
            clean: input.u8()? == 1,
            epoch: input.i32()?,
            next_partition: input.u64()?,
            producer_ids: input.i64()?,
            topics: input.list(|input| {
                let (id, name, given) = (input.uuid()?, input.text()?, input.texts()?);
                let partitions =
                    input.list(|input| Ok((input.u64()?, PartitionImage::read(input)?)))?;
                let (partitions, images) = partitions.into_iter().unzip();
                Ok((TopicImage { id, name, given, partitions }, images))
            })?,
        })
    }

    /// Puts this manifest in the place of the one before; it is durable when this returns.
    pub(super) fn write(&self, disk: &dyn Disk) -> Result<(), LogError> {
        let bytes = self.encode();
        let write = || {
            let file = disk.open(NEW, Open::Truncate)?;
            file.write_at(&[IoSlice::new(&bytes)], 0)?;
            file.sync()?;
            disk.rename(NEW, NAME)?;
            disk.sync_directory("")
        };
        write().map_err(failed("writing the manifest"))
    }

    /// Reads the manifest, if there is one.
    pub(super) fn read(disk: &dyn Disk) -> Result<Option<Self>, LogError> {
        let read = || -> std::io::Result<Vec<u8>> {
            let file = disk.open(NAME, Open::Existing)?;
            let mut bytes = vec![0; file.len_bytes()? as usize];
            file.read_at(&mut bytes, 0)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Self::decode(&bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("reading the manifest")(error)),
        }
    }
}

impl PartitionImage {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_i64(self.log_start);
        out.put_i64(self.end);
        put_list(out, self.segments.iter(), |out, segment| segment.put(out));
        put_list(out, self.epochs.iter(), |out, (epoch, start)| {
            out.put_i32(*epoch);
            out.put_i64(*start);
        });
        put_list(out, self.producers.iter(), |out, (id, producer)| {
            out.put_i64(*id);
            out.put_i16(producer.epoch);
            out.put_i64(producer.last_ms);
            put_list(out, producer.batches.iter(), |out, sent| {
                out.put_i32(sent.first_sequence);
                out.put_i32(sent.last_sequence);
                out.put_i64(sent.base_offset);
                out.put_i64(sent.last_offset);
            });
        });
    }

    fn read(input: &mut Input<'_>) -> Result<Self, LogError> {
        Ok(Self {
            log_start: input.i64()?,
            end: input.i64()?,
            segments: input.list(Segment::read)?,
            epochs: input.list(|input| Ok((input.i32()?, input.i64()?)))?,
            producers: input.list(|input| {
                let (id, epoch, last_ms) = (input.i64()?, input.i16()?, input.i64()?);
                let batches = input.list(|input| {
                    Ok(Sent {
                        first_sequence: input.i32()?,
                        last_sequence: input.i32()?,
                        base_offset: input.i64()?,
                        last_offset: input.i64()?,
                    })
                })?;
                Ok((id, Producer { epoch, last_ms, batches: batches.into() }))
            })?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::disk::MemoryDisk;

    #[test]
    fn manifest_comes_back_and_a_flipped_bit_is_noticed() {
        let disk = MemoryDisk::new();
        assert!(Manifest::read(&disk).unwrap().is_none());
        let sent = Sent { first_sequence: 1, last_sequence: 2, base_offset: 3, last_offset: 4 };
        let producer = Producer { epoch: 1, last_ms: 5, batches: vec![sent].into() };
        let partition = PartitionImage {
            log_start: 1,
            end: 9,
            segments: vec![Segment { fresh: false, ..Segment::new(0, 77) }],
            epochs: vec![(0, 0), (2, 5)],
            producers: vec![(42, producer)],
        };
        let given = [("retention.ms".to_owned(), "5".to_owned())].into();
        let topic =
            TopicImage { id: Uuid::from_u128(5), name: "t".into(), given, partitions: vec![3] };
        let cluster_id = "abc".to_owned();
        let topics = vec![(topic, vec![partition])];
        let manifest = Manifest { cluster_id, clean: true, topics, ..Manifest::default() };
        manifest.write(&disk).unwrap();
        assert_eq!(Manifest::read(&disk).unwrap().unwrap(), manifest);
        let mut bytes = manifest.encode();
        bytes[20] ^= 1;
        assert!(Manifest::decode(&bytes).is_err());
    }
}
