//! Whether a property looks like a misspelling of one of Kafka's. Those of plugins are nothing like them and pass.

use super::known::KNOWN;

/// A letter too many, one too few, one for another, two swapped: one or two of these is a slip.
const DISTANCE_MAX: usize = 2;

/// Kafka knows it.
pub(super) fn is_known(key: &str) -> bool {
    KNOWN.binary_search(&key).is_ok()
}

/// The property that was meant, if Kafka does not know this one.
pub(super) fn meant(key: &str) -> Option<&'static str> {
    // Kafka has the property of a listener under its own name.
    let own = match key.strip_prefix("listener.name.") {
        Some(rest) => rest.split_once('.').map_or("", |(_, own)| own),
        None => key,
    };
    if own.is_empty() || is_known(own) {
        return None;
    }
    // A topic's property is often `log.` and itself for a broker.
    let of_topics = format!("log.{own}");
    let same = |known: &&&str| **known == of_topics;
    let nearest = || {
        let near = KNOWN.iter().map(|known| (distance(own, known), known));
        near.filter(|(distance, _)| *distance <= DISTANCE_MAX).min().map(|(_, known)| known)
    };
    KNOWN.iter().find(same).or_else(nearest).copied()
}

/// Optimal string alignment: edits and swaps of neighbours. More than [`DISTANCE_MAX`] may be told as any larger number.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > DISTANCE_MAX {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted() {
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn distance_counts_edits_and_swaps() {
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("abc", "abd"), 1);
        assert_eq!(distance("abc", "abcde"), 2);
        assert_eq!(distance("", "ab"), 2);
    }

    #[test]
    fn slips_are_noticed_and_plugins_are_not() {
        assert_eq!(meant("num.io.thread"), Some("num.io.threads"));
        assert_eq!(meant("log.retention.horus"), Some("log.retention.hours"));
        assert_eq!(meant("retention.ms"), Some("log.retention.ms"));
        assert_eq!(meant("listener.name.plain.max.conections"), Some("max.connections"));
        assert_eq!(meant("num.io.threads"), None);
        assert_eq!(meant("cruise.control.metrics.reporter.bootstrap.servers"), None);
        assert_eq!(meant("listener.name.plain.max.connections"), None);
    }
}
