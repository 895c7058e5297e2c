//! Rules about one source file.

use super::Finding;

/// Warned and refused lengths, in lines (house rules, `CONTRIBUTING.md`).
const FILE_LINES: (usize, usize) = (600, 1000);
const FUNCTION_LINES: (usize, usize) = (70, 100);

/// Words that mean unfinished work. Split so that this file passes its own check.
const BANNED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
];

pub fn check(place: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    over(&mut findings, place.to_owned(), "file", lines.len(), FILE_LINES);
    for (index, line) in lines.iter().enumerate() {
        let here = || format!("{place}:{}", index + 1);
        if let Some(word) = BANNED.iter().find(|word| line.contains(**word)) {
            let message = format!("'{word}': finish it or open an issue");
            findings.push(Finding { place: here(), message, fatal: true });
        }
        if is_limit(line) && !documented(&lines, index) {
            let message = "a limit without a comment that says where the number comes from".into();
            findings.push(Finding { place: here(), message, fatal: true });
        }
    }
    for (start, length) in functions(&lines) {
        let excused = start > 0 && lines[start - 1].contains("// tidy: flat match");
        if !excused {
            over(
                &mut findings,
                format!("{place}:{}", start + 1),
                "function",
                length,
                FUNCTION_LINES,
            );
        }
    }
    findings
}

fn over(
    findings: &mut Vec<Finding>,
    place: String,
    what: &str,
    length: usize,
    (warned, refused): (usize, usize),
) {
    if length > warned {
        let message = format!("{what} of {length} lines: split it by concern");
        findings.push(Finding { place, message, fatal: length > refused });
    }
}

fn is_limit(line: &str) -> bool {
    let declaration =
        line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    let Some(rest) = declaration.strip_prefix("const ") else { return false };
    let name = rest.split(':').next().unwrap_or_default().trim();
    ["_MAX", "_MIN", "_LIMIT"].iter().any(|end| name.ends_with(end))
}

fn documented(lines: &[&str], index: usize) -> bool {
    let above = lines[..index].iter().rev().map(|l| l.trim()).find(|l| !l.starts_with("#["));
    lines[index].contains("//") || above.is_some_and(|line| line.starts_with("//"))
}

/// `(first line, length in lines)` of each function, found by rustfmt's indentation: the body
/// ends at the first `}` that stands in the column of its `fn`.
fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if !starts_function(code) {
            continue;
        }
        let end = lines[index..].iter().position(|l| {
            l.len() > indent && l[..indent].trim().is_empty() && l[indent..].starts_with('}')
        });
        let one_line = code.ends_with('}') || code.ends_with(';');
        if let (Some(end), false) = (end, one_line) {
            found.push((index, end + 1));
        }
    }
    found
}

fn starts_function(code: &str) -> bool {
    let mut rest = code;
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.starts_with("fn ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        check("x.rs", text).into_iter().filter(|f| f.fatal).map(|f| f.message).collect()
    }

    #[test]
    fn long_function_is_refused_and_a_flat_match_excused() {
        let body = "    a();\n".repeat(120);
        assert_eq!(messages(&format!("fn f() {{\n{body}}}\n")).len(), 1);
        assert_eq!(messages(&format!("// tidy: flat match\nfn f() {{\n{body}}}\n")).len(), 0);
    }

    #[test]
    fn undocumented_limit_is_refused() {
        assert_eq!(messages("const FRAME_BYTES_MAX: usize = 1;\n").len(), 1);
        assert_eq!(messages("/// Spec 1.2.\nconst FRAME_BYTES_MAX: usize = 1;\n").len(), 0);
    }

    #[test]
    fn unfinished_work_is_refused() {
        assert_eq!(messages(&format!("// {}: later\n", BANNED[0])).len(), 1);
    }
}
