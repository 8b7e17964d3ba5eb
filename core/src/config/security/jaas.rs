//! `sasl.jaas.config`: one login module with its options, as Java writes it (`JaasConfig`).

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::secret::Secret;

/// A login module and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JaasConfig {
    pub(super) module: String,
    pub(super) options: BTreeMap<String, Secret>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Equals,
    Semicolon,
}

impl JaasConfig {
    /// Reads `MODULE FLAG KEY="VALUE" ...;`. The errors name no value.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut tokens = Tokens(text.chars().peekable());
        let Some(Token::Word(module)) = tokens.next()? else {
            return Err("the class of a login module first");
        };
        match tokens.next()? {
            Some(Token::Word(flag)) if FLAGS.iter().any(|f| flag.eq_ignore_ascii_case(f)) => {}
            _ => return Err("`required` behind the class of the login module"),
        }
        let mut options = BTreeMap::new();
        loop {
            match tokens.next()? {
                Some(Token::Word(key)) => {
                    let (equals, value) = (tokens.next()?, tokens.next()?);
                    let (Some(Token::Equals), Some(Token::Word(value))) = (equals, value) else {
                        return Err("every option as KEY=\"VALUE\"");
                    };
                    options.insert(key, Secret::new(value));
                }
                Some(Token::Semicolon) => break,
                _ => return Err("a semicolon at the end"),
            }
        }
        match tokens.next()? {
            None => Ok(Self { module, options }),
            Some(_) => Err("one login module only"),
        }
    }

    /// The name of the module's class without its package.
    pub(super) fn module_name(&self) -> &str {
        self.module.rsplit('.').next().unwrap_or(&self.module)
    }
}

struct Tokens<'a>(Peekable<Chars<'a>>);

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, &'static str> {
        while self.0.next_if(|c| c.is_whitespace()).is_some() {}
        Ok(Some(match self.0.next() {
            None => return Ok(None),
            Some('=') => Token::Equals,
            Some(';') => Token::Semicolon,
            Some(quote @ ('"' | '\'')) => Token::Word(self.quoted(quote)?),
            Some(first) => {
                let mut word = String::from(first);
                let is_word = |c: &char| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\'');
                while let Some(next) = self.0.next_if(is_word) {
                    word.push(next);
                }
                Token::Word(word)
            }
        }))
    }

    /// The rest of a quoted text, with Java's escapes.
    fn quoted(&mut self, quote: char) -> Result<String, &'static str> {
        let mut text = String::new();
        loop {
            match self.0.next() {
                None | Some('\n' | '\r') => return Err("a quote at the end of every value"),
                Some('\\') => text.push(match self.0.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(other) => other,
                    None => return Err("a quote at the end of every value"),
                }),
                Some(c) if c == quote => return Ok(text),
                Some(c) => text.push(c),
            }
        }
    }
}

const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_module_is_read_as_java_writes_it() {
        let parsed = JaasConfig::parse(
            "org.apache.kafka.common.security.plain.PlainLoginModule required\n  \
             username=\"alice\" password='a\\'=;\\\\\\\"';",
        )
        .expect("valid");
        assert_eq!(parsed.module_name(), "PlainLoginModule");
        assert_eq!(parsed.options["username"].reveal(), "alice");
        assert_eq!(parsed.options["password"].reveal(), "a'=;\\\"");
        assert!(!format!("{parsed:?}").contains("alice"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "the class of a login module first"),
            ("Module", "`required` behind the class of the login module"),
            (
                "Module wanted;",
                "`required` behind the class of the login module",
            ),
            ("Module required", "a semicolon at the end"),
            ("Module required a;", "every option as KEY=\"VALUE\""),
            ("Module required a=;", "every option as KEY=\"VALUE\""),
            (
                "Module required a=\"b;",
                "a quote at the end of every value",
            ),
            (
                "Module required a=b; Module required;",
                "one login module only",
            ),
        ] {
            assert_eq!(JaasConfig::parse(text), Err(expected), "{text}");
        }
    }
}
