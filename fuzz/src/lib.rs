//! What must hold for any bytes a peer sends. The fuzz targets call these checks with what the fuzzer makes up; the
//! tests replay seeds and hand-made nasty inputs through the same checks without a fuzzer.

pub mod flow;
pub mod kafka;
pub mod mqtt;
pub mod records;
pub mod seeds;

/// Checks of one target, by the target's name.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("kafka_request", kafka::request),
    ("kafka_response", kafka::response),
    ("kafka_records", records::batch),
    ("mqtt_packet", mqtt::packets),
    ("mqtt_flow", flow::dialogue),
    ("mqtt_topic", mqtt::topic),
];

#[cfg(test)]
mod replay;
