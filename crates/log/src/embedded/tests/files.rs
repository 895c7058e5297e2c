//! What lies in the data directory.

use super::*;

#[tokio::test]
async fn segments_are_bare_batches_under_kafkas_names() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes_min: 1, ..Options::default() };
    let log = EmbeddedLog::open(folder.path(), options).await.unwrap();
    topic(&log, "t", &[("segment.bytes", "200"), ("index.interval.bytes", "0")]).await;
    let partition = log.open_partition("t", 1).unwrap();
    for number in 0..10 {
        append(&partition, batch(number, &["x", "y"])).await;
    }
    log.close().await.unwrap();
    let mut files: Vec<_> = std::fs::read_dir(folder.path().join("t-1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    files.sort();
    let mut next = 0;
    for file in &files {
        assert_eq!(file.file_stem().unwrap().to_str().unwrap(), format!("{next:020}"));
        for one in records::batches(std::fs::read(file).unwrap().into()) {
            let (header, bytes) = one.unwrap();
            header.verify(&bytes).unwrap();
            assert_eq!(header.base_offset, next);
            next = header.next_offset();
        }
    }
    assert_eq!((files.len(), next), (5, 20));
    assert!(!folder.path().join("t-0").exists(), "an unused partition costs no directory");
}

#[tokio::test]
async fn index_that_lies_does_not_mislead() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await;
    topic(&log, "t", &[("index.interval.bytes", "0")]).await;
    let partition = log.open_partition("t", 0).unwrap();
    for _ in 0..50 {
        append(&partition, batch(1, &["x", "y"])).await;
    }
    log.close().await.unwrap();
    let path = folder.path().join(format!("t-0/{:020}.index", 0));
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() >= 8 * 40, "{}", bytes.len());
    for entry in bytes.chunks_exact_mut(8) {
        entry[7] ^= 3;
    }
    std::fs::write(&path, bytes).unwrap();
    let log = open(folder.path()).await;
    let partition = log.open_partition("t", 0).unwrap();
    for offset in (0..100).rev() {
        let read = partition.read(offset, 1).await.unwrap();
        let (header, _) = records::batches(read.bytes).next().unwrap().unwrap();
        assert_eq!(header.base_offset, offset / 2 * 2);
    }
}

#[tokio::test]
async fn lost_manifest_is_an_error_and_not_an_empty_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await;
    topic(&log, "t", &[]).await;
    append(&log.open_partition("t", 0).unwrap(), batch(1, &["x"])).await;
    log.close().await.unwrap();
    std::fs::remove_file(folder.path().join("manifest")).unwrap();
    let refused = EmbeddedLog::open(folder.path(), Options::default()).await;
    assert!(matches!(refused, Err(LogError::Corrupt(_))));
}
