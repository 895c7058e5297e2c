//! What Kafka and its tools write, passed on line by line and listened to.

use std::io::{self, BufRead, BufReader, Read, Write};

use tokio::sync::oneshot;

/// Longer lines are passed on whole, and heard in pieces of this size.
const LINE_BYTES: u64 = 64 << 10;

/// Copies on a thread of its own, because whoever reads the container's output may be slow; the agent answers meanwhile. The
/// receiver learns of the end, which comes when all who can write have closed.
///
/// # Errors
/// The system has no thread.
pub fn pass_on(
    name: &str,
    from: impl Read + Send + 'static,
    to: impl Write + Send + 'static,
    heard: impl FnMut(&str) + Send + 'static,
) -> io::Result<oneshot::Receiver<()>> {
    /// What is read into, a line, and a call into the state machine.
    const STACK_BYTES: usize = 256 << 10;
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    thread.spawn(move || {
        copy(from, to, heard);
        // Nobody waits any more when the agent ends first.
        let _ = ended.send(());
    })?;
    Ok(end)
}

fn copy(from: impl Read, mut to: impl Write, mut heard: impl FnMut(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        // Read on when nobody listens: a full pipe would stop Kafka.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        heard(String::from_utf8_lossy(&line).trim_end());
    }
}

/// Whether a line tells of an error: a level where a log line has one, or an exception that nobody caught.
pub fn is_error(line: &str) -> bool {
    /// A timestamp, a thread's name, a level.
    const HEAD_BYTES: usize = 100;
    let head = &line[..line.floor_char_boundary(HEAD_BYTES)];
    let mut words = head.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| matches!(word, "ERROR" | "FATAL")) || line.starts_with("Exception in thread ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_passed_on_and_lines_are_heard() {
        let text = b"one\r\n\xff two\n\nthree".as_slice();
        let (mut passed, mut lines) = (Vec::new(), Vec::new());
        copy(text, &mut passed, |line| lines.push(line.to_owned()));
        assert_eq!(passed, text);
        assert_eq!(lines, ["one", "\u{fffd} two", "", "three"]);
    }

    #[test]
    fn endless_line_is_passed_on_in_bounded_pieces() {
        let text = vec![b'x'; 3 * LINE_BYTES as usize + 1];
        let (mut passed, mut longest) = (Vec::new(), 0);
        copy(text.as_slice(), &mut passed, |line| longest = longest.max(line.len()));
        assert_eq!((passed.len(), longest), (text.len(), LINE_BYTES as usize));
    }

    #[test]
    fn output_that_cannot_be_written_is_still_read() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut lines = 0;
        copy(b"a\nb\n".as_slice(), Broken, |_| lines += 1);
        assert_eq!(lines, 2);
    }

    #[test]
    fn errors_are_told_from_words() {
        assert!(is_error("[2026-11-25 03:20:11,105] ERROR Exiting Kafka (kafka.Kafka$)"));
        assert!(is_error(r#"{"instant":1,"level":"FATAL","message":"x"}"#));
        assert!(is_error("Exception in thread \"main\" java.lang.Error"));
        assert!(!is_error("[2026-11-25 03:20:11,105] INFO ERRORS none"));
        assert!(!is_error(&format!("{} ERROR", "x".repeat(100))));
    }
}
