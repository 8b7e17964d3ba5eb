//! The text of a Java properties file (`java.util.Properties.load`).

use super::ConfigError;

/// Keys and values in the order of the text; a key may come more than once, and the last counts.
///
/// # Errors
/// [`ConfigError::Invalid`] for a `\u` without four hexadecimal digits behind it; the value is not
/// shown.
pub fn parse_properties(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start_matches(WHITESPACE);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = line.to_owned();
        while is_continued(&whole) {
            whole.pop();
            let Some(next) = lines.next() else {
                break;
            };
            whole.push_str(next.trim_start_matches(WHITESPACE));
        }
        let (key, value) = split(&whole);
        let key = unescape(key, key)?;
        let value = unescape(value, &key)?;
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Whether the next line belongs to this one: an odd number of backslashes ends it.
fn is_continued(line: &str) -> bool {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    !backslashes.is_multiple_of(2)
}

/// Key and value, still with their escapes: `=`, `:` or white space are between them.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let is_end = |c: char| {
        let ends = !escaped && (matches!(c, '=' | ':') || WHITESPACE.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    };
    let end = line.find(is_end).unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(WHITESPACE);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(WHITESPACE))
}

fn unescape(text: &str, key: &str) -> Result<String, ConfigError> {
    let mut plain = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    loop {
        let next = match chars.next() {
            Some('\\') => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let unit = u16::from_str_radix(&digits, 16).ok();
                    let unit = unit.filter(|_| digits.len() == 4 && !digits.starts_with('+'));
                    let allowed = "four hexadecimal digits behind \\u";
                    let bad = || ConfigError::invalid(key, "[hidden]", allowed);
                    units.push(unit.ok_or_else(bad)?);
                    continue;
                }
                Some('t') => Some('\t'),
                Some('n') => Some('\n'),
                Some('r') => Some('\r'),
                Some('f') => Some('\u{c}'),
                other => other,
            },
            other => other,
        };
        // Characters beyond 16 bits are two escapes.
        plain.push_str(&String::from_utf16_lossy(&units));
        units.clear();
        match next {
            Some(c) => plain.push(c),
            None => return Ok(plain),
        }
    }
}

const WHITESPACE: [char; 3] = [' ', '\t', '\u{c}'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_java_does() {
        let text = "# a comment\n! another = one\n\n\
                    a=1\n  b : 2 \nc 3\nd\ne=\n\
                    f\\=g=h\\\\\n\
                    long=one \\\n    two\\\n\tthree\n\
                    u=\\u00e9\\uD83D\\uDE00\\t.\n\
                    url=a:b=c\nlast=x\\";
        let pairs = parse_properties(text).expect("valid");
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (&**k, &**v)).collect();
        let expected = [
            ("a", "1"),
            ("b", "2 "),
            ("c", "3"),
            ("d", ""),
            ("e", ""),
            ("f=g", "h\\"),
            ("long", "one twothree"),
            ("u", "\u{e9}\u{1f600}\t."),
            ("url", "a:b=c"),
            ("last", "x"),
        ];
        assert_eq!(pairs, expected);
        for wrong in ["a=\\u12", "a=\\u+123", "a=geheim\\uxyzw"] {
            let error = parse_properties(wrong).expect_err("refused").to_string();
            assert!(error.contains("\"[hidden]\""), "{error}");
        }
    }
}
