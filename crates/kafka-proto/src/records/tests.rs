use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

type Given = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn given() -> impl Strategy<Value = Vec<Given>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let optional = move || proptest::option::of(bytes());
    let headers = proptest::collection::vec((bytes(), optional()), 0..4);
    proptest::collection::vec((0_i64..1 << 45, optional(), optional(), headers), 1..20)
}

fn headers(given: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<Header> {
    given
        .iter()
        .map(|(key, value)| Header {
            key: key.clone().into(),
            value: value.clone().map(Into::into),
        })
        .collect()
}

fn built(given: &[Given], codec: Compression) -> Bytes {
    let mut builder = BatchBuilder::new().compression(codec);
    for (timestamp, key, value, list) in given {
        builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers(list));
    }
    builder.build()
}

fn of_one(codec: Compression, value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new().compression(codec);
    builder.append(5, None, Some(value), &[]);
    builder.build()
}

proptest! {
    #[test]
    fn records_come_back_through_every_codec(given in given(), codec in 0_usize..5) {
        let batch = built(&given, CODECS[codec]);
        let how = Validation { keys: false, unpack_limit_bytes: Some(1 << 20) };
        let header = validate(&batch, how).unwrap();
        prop_assert_eq!(header.records_count as usize, given.len());
        prop_assert_eq!(header.max_timestamp, given.iter().map(|g| g.0).max().unwrap());
        let found: Vec<Record> = records(&batch, 1 << 20).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(found.len(), given.len());
        for (index, (record, (timestamp, key, value, list))) in found.iter().zip(&given).enumerate() {
            prop_assert_eq!(record.offset, index as i64);
            prop_assert_eq!(record.timestamp, *timestamp);
            prop_assert_eq!(record.key.as_deref(), key.as_deref());
            prop_assert_eq!(record.value.as_deref(), value.as_deref());
            prop_assert_eq!(&record.headers, &headers(list));
        }
    }

    #[test]
    fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 61..200), codec in 0_u8..6) {
        // A header that parses, so that what follows is looked at too.
        let length = bytes.len() as i32 - 12;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        bytes[21..23].copy_from_slice(&[0, codec]);
        bytes[23..27].copy_from_slice(&3_i32.to_be_bytes());
        bytes[57..61].copy_from_slice(&4_i32.to_be_bytes());
        let batch = Bytes::from(bytes);
        let _ = validate(&batch, Validation { keys: true, unpack_limit_bytes: Some(4096) });
        for batch in batches(batch).flatten() {
            if let Ok(found) = records(&batch.1, 4096) {
                prop_assert!(found.count() <= 4);
            }
        }
    }
}

#[test]
fn gaps_in_offsets_are_kept() {
    let mut builder = BatchBuilder::new();
    for offset in [1 << 40, (1 << 40) + 5, (1 << 40) + 1000] {
        builder.append_at(offset, 1, Some(b""), None, &[]);
    }
    let batch = builder.build();
    let offsets: Vec<i64> = records(&batch, 100).unwrap().map(|r| r.unwrap().offset).collect();
    assert_eq!(offsets, [1 << 40, (1 << 40) + 5, (1 << 40) + 1000]);
    let header = BatchHeader::parse(&batch).unwrap();
    assert_eq!(header.next_offset(), (1 << 40) + 1001);
    assert!(header.verify(&batch).is_ok());
    assert!(validate(&batch, Validation::default()).is_err(), "a producer leaves no gaps");
}

#[test]
fn bomb_is_refused_by_every_codec() {
    for codec in CODECS {
        let batch = of_one(codec, &vec![0; 1 << 20]);
        let refused = records(&batch, 4096).err();
        if codec == Compression::None {
            assert_eq!(refused, None, "what is not packed is no bomb");
        } else {
            assert_eq!(refused, Some(BatchError::Unpacked { limit_bytes: 4096 }), "{codec:?}");
        }
        assert!(records(&batch, 2 << 20).is_ok(), "{codec:?}");
    }
}

#[test]
fn snappy_without_the_java_framing_is_read() {
    let framed = of_one(Compression::Snappy, b"hello hello hello");
    let plain = of_one(Compression::None, b"hello hello hello");
    let body = snap::raw::Encoder::new().compress_vec(&plain[HEADER_BYTES..]).unwrap();
    let mut bytes = framed[..HEADER_BYTES].to_vec();
    bytes.extend_from_slice(&body);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let record = records(&bytes.into(), 4096).unwrap().next().unwrap().unwrap();
    assert_eq!(record.value.as_deref(), Some(&b"hello hello hello"[..]));
}

#[test]
fn batch_cut_short_is_told_from_a_whole_one() {
    let one = of_one(Compression::None, b"1");
    let both = [&one[..], &one[..one.len() - 1]].concat();
    let found: Vec<_> = batches(both.into()).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].is_ok());
    assert!(matches!(found[1], Err(BatchError::Truncated { .. })));
}

#[test]
fn sequence_numbers_go_on_and_wrap() {
    let start = i32::MAX - 1;
    let mut builder =
        BatchBuilder::new().producer(Producer { id: 9, epoch: 1, base_sequence: start });
    let mut next = || {
        for _ in 0..3 {
            builder.append(0, None, None, &[]);
        }
        BatchHeader::parse(&builder.build()).unwrap()
    };
    assert_eq!((next().base_sequence, next().base_sequence), (start, 1));
}

#[test]
fn counts_that_lie_are_refused() {
    let batch = built(&vec![(0, None, Some(vec![1]), vec![]); 3], Compression::None);
    let refuse = |at: usize, bytes: &[u8]| {
        let mut broken = batch.to_vec();
        broken[at..at + bytes.len()].copy_from_slice(bytes);
        let crc = crc32c(&broken[21..]);
        broken[17..21].copy_from_slice(&crc.to_be_bytes());
        validate(&broken, Validation::default()).is_err()
    };
    assert!(!refuse(57, &3_i32.to_be_bytes()));
    assert!(refuse(57, &2_i32.to_be_bytes()), "fewer records than there are");
    assert!(refuse(57, &i32::MAX.to_be_bytes()), "more records than there are");
    assert!(refuse(23, &7_i32.to_be_bytes()), "offsets beyond the records");
    assert!(refuse(22, &[1 << 5]), "a control batch");
    assert!(refuse(61, &[0x7f]), "a record longer than the batch");
}

#[test]
fn zstd_frame_that_asks_for_a_large_window_takes_no_more_than_its_records() {
    use std::io::Write;
    let body = b"small".repeat(20_000);
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    // 2^30 bytes, above what a stream decoder would take memory for.
    encoder.window_log(30).unwrap();
    encoder.write_all(&body).unwrap();
    let packed = encoder.finish().unwrap();
    let unpack = |limit| compression::unpack(Compression::Zstd, &packed, limit);
    assert_eq!(unpack(body.len()).unwrap(), body);
    let limit_bytes = body.len() - 1;
    assert_eq!(unpack(limit_bytes), Err(BatchError::Unpacked { limit_bytes }));
    let cut = compression::unpack(Compression::Zstd, &packed[..packed.len() - 1], 1 << 20);
    assert_eq!(cut, Err(BatchError::Field("compressed data")));
}
