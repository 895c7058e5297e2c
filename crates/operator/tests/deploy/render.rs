//! As much of Helm's template language as the chart uses; anything else is an error, so that the chart keeps to it.
//!
//! ```text
//!   {{ .Values.a.b }}  {{ $.Release.Namespace }}  {{ . }}  {{ x | quote }}  {{ join "," x }}  {{ toYaml x | nindent 8 }}
//!   {{ if x }} {{ else }} {{ end }}  {{ range x }} {{ end }}        with '-' on either side
//! ```

use serde_json::Value;

/// Fills a template in.
pub(super) fn render(template: &str, data: &Value) -> Result<String, String> {
    let tokens = tokens(template)?;
    let mut out = String::new();
    let rest = block(&tokens, &Scope { root: data, dot: data }, &mut Some(&mut out))?;
    match rest {
        [] => Ok(out),
        _ => Err("an end or else without its beginning".to_owned()),
    }
}

#[derive(Debug)]
enum Token {
    Text(String),
    Action(String),
}

/// Text and actions, with the white space taken away that a '-' takes.
fn tokens(template: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = template;
    let mut trim_next = false;
    loop {
        let start = rest.find("{{");
        let (text, after) = rest.split_at(start.unwrap_or(rest.len()));
        let text = if trim_next { text.trim_start() } else { text };
        let trims = after.starts_with("{{-");
        let text = if trims { text.trim_end() } else { text };
        tokens.push(Token::Text(text.to_owned()));
        if start.is_none() {
            return Ok(tokens);
        }
        let (action, after) = after[2..].split_once("}}").ok_or("an action without its end")?;
        trim_next = action.ends_with('-');
        tokens.push(Token::Action(action.trim_matches('-').trim().to_owned()));
        rest = after;
    }
}

#[derive(Clone, Copy)]
struct Scope<'a> {
    root: &'a Value,
    dot: &'a Value,
}

/// Writes up to the `end` or `else` that closes the block; without an output it only looks for it.
fn block<'t>(
    mut tokens: &'t [Token],
    scope: &Scope<'_>,
    out: &mut Option<&mut String>,
) -> Result<&'t [Token], String> {
    while let Some((token, rest)) = tokens.split_first() {
        tokens = match token {
            Token::Text(text) => {
                if let Some(out) = out {
                    out.push_str(text);
                }
                rest
            }
            Token::Action(action) if action == "end" || action == "else" => return Ok(tokens),
            Token::Action(action) => {
                if let Some(condition) = action.strip_prefix("if ") {
                    branch(rest, condition, scope, out)?
                } else if let Some(list) = action.strip_prefix("range ") {
                    range(rest, list, scope, out)?
                } else {
                    if let Some(out) = out {
                        out.push_str(&value(action, scope)?);
                    }
                    rest
                }
            }
        };
    }
    Ok(tokens)
}

fn branch<'t>(
    tokens: &'t [Token],
    condition: &str,
    scope: &Scope<'_>,
    out: &mut Option<&mut String>,
) -> Result<&'t [Token], String> {
    let holds = is_true(path(condition, scope)?);
    let mut nothing = None;
    let rest = block(tokens, scope, if holds { out } else { &mut nothing })?;
    let rest = match rest.split_first() {
        Some((Token::Action(word), rest)) if word == "else" => {
            block(rest, scope, if holds { &mut nothing } else { out })?
        }
        _ => rest,
    };
    end(rest)
}

fn range<'t>(
    tokens: &'t [Token],
    list: &str,
    scope: &Scope<'_>,
    out: &mut Option<&mut String>,
) -> Result<&'t [Token], String> {
    let items = path(list, scope)?.as_array().ok_or_else(|| format!("{list} is no list"))?;
    for dot in items {
        block(tokens, &Scope { dot, ..*scope }, out)?;
    }
    end(block(tokens, scope, &mut None)?)
}

fn end(tokens: &[Token]) -> Result<&[Token], String> {
    match tokens.split_first() {
        Some((Token::Action(word), rest)) if word == "end" => Ok(rest),
        _ => Err("a block without its end".to_owned()),
    }
}

fn value(action: &str, scope: &Scope<'_>) -> Result<String, String> {
    let (first, filter) = match action.split_once(" | ") {
        Some((first, filter)) => (first, Some(filter)),
        None => (action, None),
    };
    let text = if let Some(name) = first.strip_prefix("toYaml ") {
        serde_saphyr::to_string(path(name, scope)?).map_err(|error| error.to_string())?
    } else if let Some(name) = first.strip_prefix("join \",\" ") {
        let items = path(name, scope)?.as_array().ok_or_else(|| format!("{name} is no list"))?;
        let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
        items.join(",")
    } else {
        match path(first, scope)? {
            Value::String(text) => text.clone(),
            other @ (Value::Number(_) | Value::Bool(_)) => other.to_string(),
            other => return Err(format!("{first} is no text: {other}")),
        }
    };
    match filter {
        None => Ok(text),
        Some("quote") => Ok(format!("{text:?}")),
        Some(filter) => {
            let width = filter.strip_prefix("nindent ").and_then(|width| width.parse().ok());
            let width: usize = width.ok_or_else(|| format!("no filter '{filter}' here"))?;
            let lines =
                text.trim_end().lines().map(|line| format!("\n{}{line}", " ".repeat(width)));
            Ok(lines.collect())
        }
    }
}

fn path<'a>(name: &str, scope: &Scope<'a>) -> Result<&'a Value, String> {
    let (mut at, path) = match name.strip_prefix('$') {
        Some(path) => (scope.root, path),
        None => (scope.dot, name),
    };
    let path = path.strip_prefix('.').ok_or_else(|| format!("no action '{name}' here"))?;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        at = at.get(part).ok_or_else(|| format!("there is no {name}"))?;
    }
    Ok(at)
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[test]
fn template_language_is_rendered_as_helm_does() {
    let data = serde_json::json!({ "a": { "b": "x" }, "list": ["1", "2"], "none": [], "map": { "k": "v" } });
    let check = |template: &str, wanted: &str| {
        assert_eq!(render(template, &data).as_deref(), Ok(wanted), "{template}");
    };
    check("v: {{ .a.b }}\n", "v: x\n");
    check("v: {{ .a.b | quote }}", "v: \"x\"");
    check("a\n{{- if .none }}\nb\n{{- else }}\nc\n{{- end }}\nd", "a\nc\nd");
    check("a\n{{- range .list }}\n- {{ . }}{{ $.a.b }}\n{{- end }}\n", "a\n- 1x\n- 2x\n");
    check("m:\n  {{- toYaml .map | nindent 2 }}\n", "m:\n  k: v\n");
    check("{{ join \",\" .list | quote }}", "\"1,2\"");
    for wrong in
        ["{{ .zz }}", "{{ if .a }}", "{{ end }}", "{{ include \"x\" . }}", "{{ .a.b | upper }}"]
    {
        assert!(render(wrong, &data).is_err(), "{wrong}");
    }
}
