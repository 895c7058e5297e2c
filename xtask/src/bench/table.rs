//! A table of results.

use serde_json::Value;

/// Rows under a title; the command that made them stands below.
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    commands: Vec<String>,
}

impl Table {
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.to_owned(), columns, rows: Vec::new(), commands: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn command(&mut self, args: &[&str]) {
        let line = format!("`klamm bench {}`", args.join(" "));
        if !self.commands.contains(&line) {
            self.commands.push(line);
        }
    }

    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("### {}\n\n", self.title);
        text.push_str(&line(&self.columns));
        text.push_str(&format!("|{}\n", "---|".repeat(self.columns.len())));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        if !self.commands.is_empty() {
            text.push_str(&format!("\n{}\n", self.commands.join(" · ")));
        }
        text
    }
}

/// A number of a result of `klamm bench`, such as `per_second` or `latency_ms.p99`.
pub fn number(result: &Value, path: &str) -> f64 {
    let found = path.split('.').try_fold(result, |value, name| value.get(name));
    found.and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// With thousands set apart.
pub fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `a` as so many times `b`.
pub fn ratio(a: f64, b: f64) -> String {
    let ratio = a / b;
    if ratio < 0.1 { format!("{ratio:.4}×") } else { format!("{ratio:.2}×") }
}
