//! Record batches: header, walk, CRC, records under every codec, validation.

use bytes::Bytes;
use klamm_kafka_proto::records::{
    BatchBuilder, BatchError, BatchHeader, HEADER_BYTES, Record, Validation, batches, crc32c,
    records, validate,
};

/// What compressed records may unpack to.
const UNPACK_BYTES: usize = 1 << 20;

/// The first byte says whether length and CRC are made right, so that what lies behind them is reached.
pub fn batch(data: &[u8]) {
    let Some((repair, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if repair & 1 != 0 {
        make_right(&mut bytes);
    }
    let bytes = Bytes::from(bytes);
    walk(&bytes);
    let how = Validation { keys: repair & 2 != 0, unpack_limit_bytes: Some(UNPACK_BYTES) };
    let Ok(header) = validate(&bytes, how) else { return };
    assert_eq!(header.total_bytes(), bytes.len(), "one batch and nothing after it");
    let read: Vec<Record> = records(&bytes, UNPACK_BYTES)
        .and_then(Iterator::collect)
        .expect("records of a batch that was found good can be read");
    assert_eq!(read.len(), header.records_count as usize);
    assert_eq!(read.last().map(|record| record.offset), Some(header.last_offset()));
    assert!(!how.keys || read.iter().all(|record| record.key.is_some()));
    comes_back(&read);
}

/// Length, magic and CRC as they would be in a batch of these bytes.
fn make_right(bytes: &mut [u8]) {
    if bytes.len() < HEADER_BYTES {
        return;
    }
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn walk(bytes: &Bytes) {
    let mut walked = 0;
    for found in batches(bytes.clone()) {
        let Ok((header, batch)) = found else { break };
        walked += batch.len();
        assert_eq!(batch.len(), header.total_bytes());
        assert_eq!(BatchHeader::parse(&batch), Ok(header));
        let _ = header.verify(&batch);
        read_bounded(&batch);
    }
    assert!(walked <= bytes.len());
}

/// Nothing unpacks beyond the limit, whatever the limit.
fn read_bounded(batch: &Bytes) {
    for limit_bytes in [0, 100, UNPACK_BYTES] {
        match records(batch, limit_bytes) {
            Ok(found) => {
                // Fields are slices of the unpacked body, or of the batch when it is not compressed.
                let room = limit_bytes.max(batch.len());
                let taken: usize = found.map_while(Result::ok).map(|r| field_bytes(&r)).sum();
                assert!(taken <= room, "{taken} bytes of fields in {room}");
            }
            Err(BatchError::Unpacked { limit_bytes: told }) => assert_eq!(told, limit_bytes),
            Err(_) => {}
        }
    }
}

fn field_bytes(record: &Record) -> usize {
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record.headers.iter().map(|h| h.key.len() + length(&h.value)).sum();
    length(&record.key) + length(&record.value) + headers
}

/// Records put into a new batch are read back from it.
fn comes_back(read: &[Record]) {
    let mut builder = BatchBuilder::new();
    for record in read {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(record.timestamp, key, value, &record.headers);
    }
    let rebuilt = builder.build();
    assert!(validate(&rebuilt, Validation::default()).is_ok());
    let again: Vec<Record> =
        records(&rebuilt, 0).and_then(Iterator::collect).expect("what was built can be read");
    assert_eq!(again.len(), read.len());
    for (again, read) in again.iter().zip(read) {
        assert_eq!(
            (again.timestamp, &again.key, &again.value, &again.headers),
            (read.timestamp, &read.key, &read.value, &read.headers)
        );
    }
}
