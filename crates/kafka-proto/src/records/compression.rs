//! The four codecs, each bounded: what a batch unpacks to is never larger than the caller allows.

use std::io::Read;

use super::{BatchError, Compression};

/// The Java library's snappy framing: this magic, two version numbers, then blocks of length and data.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;
/// What the Java library puts in one block.
const XERIAL_BLOCK_BYTES: usize = 32 << 10;

const BROKEN: BatchError = BatchError::Field("compressed data");

/// Unpacks a batch's body.
pub(super) fn unpack(
    codec: Compression,
    packed: &[u8],
    limit_bytes: usize,
) -> Result<Vec<u8>, BatchError> {
    match codec {
        Compression::None if packed.len() <= limit_bytes => Ok(packed.to_vec()),
        Compression::None => Err(too_large(limit_bytes)),
        Compression::Gzip => read(flate2::read::MultiGzDecoder::new(packed), limit_bytes),
        Compression::Lz4 => read(lz4_flex::frame::FrameDecoder::new(packed), limit_bytes),
        Compression::Zstd => unpack_zstd(packed, limit_bytes),
        Compression::Snappy => snappy(packed, limit_bytes),
    }
}

fn too_large(limit_bytes: usize) -> BatchError {
    BatchError::Unpacked { limit_bytes }
}

fn read(decoder: impl Read, limit_bytes: usize) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    let bound = limit_bytes as u64 + 1;
    decoder.take(bound).read_to_end(&mut out).map_err(|_| BROKEN)?;
    if out.len() > limit_bytes { Err(too_large(limit_bytes)) } else { Ok(out) }
}

/// What is tried first: batches of this size and below unpack in one go.
const ZSTD_ROOM_BYTES: usize = 16 << 10;

/// In one step into a buffer that grows with what really comes. The stream decoder would take memory for the window that
/// the frame's first bytes ask for (up to 128 MiB), whether there is anything to put into it or not.
fn unpack_zstd(packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, BatchError> {
    let mut decoder = zstd::bulk::Decompressor::new().map_err(|_| BROKEN)?;
    let mut room = ZSTD_ROOM_BYTES.max(packed.len().saturating_mul(4)).min(limit_bytes);
    loop {
        let mut out = Vec::with_capacity(room);
        match decoder.decompress_to_buffer(packed, &mut out) {
            Ok(_) if out.len() > limit_bytes => return Err(too_large(limit_bytes)),
            Ok(_) => return Ok(out),
            // The library tells a lack of room by its text only (ZSTD_getErrorName).
            Err(error) if !error.to_string().contains("too small") => return Err(BROKEN),
            Err(_) if room >= limit_bytes => return Err(too_large(limit_bytes)),
            Err(_) => room = room.saturating_mul(4).min(limit_bytes),
        }
    }
}

fn snappy(packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    if !packed.starts_with(XERIAL_MAGIC) {
        snappy_block(packed, limit_bytes, &mut out)?;
        return Ok(out);
    }
    let mut rest = packed.get(XERIAL_HEADER_BYTES..).ok_or(BROKEN)?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(BROKEN)?;
        let length = u32::from_be_bytes(*length) as usize;
        let block = after.get(..length).ok_or(BROKEN)?;
        snappy_block(block, limit_bytes, &mut out)?;
        rest = &after[length..];
    }
    Ok(out)
}

fn snappy_block(block: &[u8], limit_bytes: usize, out: &mut Vec<u8>) -> Result<(), BatchError> {
    // Its header says how much it unpacks to; the decoder holds it to that.
    let length = snap::raw::decompress_len(block).map_err(|_| BROKEN)?;
    let from = out.len();
    if length > limit_bytes - from.min(limit_bytes) {
        return Err(too_large(limit_bytes));
    }
    // A byte of snappy makes at most 64 bytes (copies of length 64 take at least 2 bytes; 3 with offset).
    if length / 64 > block.len() {
        return Err(BROKEN);
    }
    out.resize(from + length, 0);
    let wrote =
        snap::raw::Decoder::new().decompress(block, &mut out[from..]).map_err(|_| BROKEN)?;
    if wrote == length { Ok(()) } else { Err(BROKEN) }
}

/// Packs a batch's body, appending to `out`.
pub(super) fn pack(codec: Compression, body: &[u8], out: &mut Vec<u8>) {
    const MEMORY: &str = "writing to memory does not fail";
    use std::io::Write;
    match codec {
        Compression::None => out.extend_from_slice(body),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            encoder.write_all(body).expect(MEMORY);
            encoder.finish().expect(MEMORY);
        }
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(out);
            encoder.write_all(body).expect(MEMORY);
            encoder.finish().expect(MEMORY);
        }
        Compression::Zstd => {
            zstd::stream::copy_encode(body, out, zstd::DEFAULT_COMPRESSION_LEVEL).expect(MEMORY);
        }
        Compression::Snappy => {
            out.extend_from_slice(XERIAL_MAGIC);
            out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
            let mut encoder = snap::raw::Encoder::new();
            for block in body.chunks(XERIAL_BLOCK_BYTES) {
                let packed = encoder.compress_vec(block).expect(MEMORY);
                out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
                out.extend_from_slice(&packed);
            }
        }
    }
}
