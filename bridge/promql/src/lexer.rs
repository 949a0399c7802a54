//! Text to tokens.

use crate::duration;
use crate::error::QueryError;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A name of a metric, label or function, or a word of the language.
    Word(String),
    Number(f64),
    /// In ms.
    Duration(i64),
    Text(String),
    /// One of `( ) { } [ ] , : @` and of the operators.
    Sign(&'static str),
}

impl Token {
    /// As a person would write it, for errors.
    pub(crate) fn words(&self) -> String {
        match self {
            Token::Word(word) => format!("`{word}`"),
            Token::Number(number) => format!("the number {number}"),
            Token::Duration(ms) => format!("the duration {ms} ms"),
            Token::Text(text) => format!("the text {text:?}"),
            Token::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// Signs, longer ones before those they begin with.
const SIGNS: [&str; 24] = [
    "=~", "!~", "==", "!=", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", ":", "@", "=", ">", "<", "+", "-", "*", "/",
    "%", "^",
];

/// Tokens, each with the byte at which it begins.
///
/// # Errors
/// [`QueryError::Question`] for what is no token.
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, QueryError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (length, token) = match first {
            c if c.is_whitespace() => (c.len_utf8(), None),
            '#' => (rest.find('\n').unwrap_or(rest.len()), None),
            '"' | '\'' | '`' => string(rest, first, at).map(|(length, text)| (length, Some(Token::Text(text))))?,
            '0'..='9' | '.' => number(rest, at).map(|(length, token)| (length, Some(token)))?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = length_while(rest, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
                (length, Some(word(&rest[..length])))
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| {
                    QueryError::question(format!("at character {at}: `{first}` has no meaning in a question"))
                })?;
                (sign.len(), Some(Token::Sign(sign)))
            }
        };
        tokens.extend(token.map(|token| (at, token)));
        at += length;
    }
    Ok(tokens)
}

fn word(text: &str) -> Token {
    match text.to_ascii_lowercase().as_str() {
        "inf" => Token::Number(f64::INFINITY),
        "nan" => Token::Number(f64::NAN),
        _ => Token::Word(text.to_owned()),
    }
}

fn number(rest: &str, at: usize) -> Result<(usize, Token), QueryError> {
    let wrong = |text: &str| QueryError::question(format!("at character {at}: `{text}` is no number and no duration"));
    let plain = length_while(rest, |c| c.is_ascii_alphanumeric() || c == '.');
    let text = &rest[..plain];
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let number = u64::from_str_radix(digits, 16).map_err(|_| wrong(text))?;
        #[allow(clippy::cast_precision_loss, reason = "as every number of the language, it is binary64")]
        return Ok((plain, Token::Number(number as f64)));
    }
    if let Some(ms) = duration::parse(text) {
        return Ok((plain, Token::Duration(ms)));
    }
    // An exponent may have a sign.
    let has_sign = text.ends_with(['e', 'E']) && rest[plain..].starts_with(['+', '-']);
    let behind = if has_sign { 1 + length_while(&rest[plain + 1..], |c| c.is_ascii_digit()) } else { 0 };
    let text = &rest[..plain + behind];
    let number = text.parse().map_err(|_| wrong(text))?;
    Ok((text.len(), Token::Number(number)))
}

/// A text in quotes, its escapes resolved; between backticks there are none.
fn string(rest: &str, quote: char, at: usize) -> Result<(usize, String), QueryError> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((place + 1, text)),
            '\\' if quote != '`' => {
                let (_, escaped) = chars.next().unwrap_or((0, ' '));
                text.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    '\\' | '"' | '\'' => escaped,
                    _ => {
                        return Err(QueryError::question(format!(
                            "at character {at}: `\\{escaped}` is no escape: write `\\\\` for a backslash"
                        )));
                    }
                });
            }
            _ => text.push(c),
        }
    }
    Err(QueryError::question(format!("at character {at}: a text begins with {quote} and does not end")))
}

fn length_while(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !is_part(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|(_, token)| token).collect()
    }

    #[test]
    fn numbers_and_durations_are_told_apart() {
        let numbers = of("1 1.5 .5 1e3 1e-3 0x1F Inf nan");
        assert_eq!(numbers[..6], [1.0, 1.5, 0.5, 1_000.0, 0.001, 31.0].map(Token::Number));
        assert_eq!(numbers[6], Token::Number(f64::INFINITY));
        assert_eq!(of("5m 1h30m"), [Token::Duration(300_000), Token::Duration(5_400_000)]);
        assert_eq!(of("1-2").len(), 3);
    }

    #[test]
    fn texts_have_escapes() {
        assert_eq!(of(r#""a\"b\\c" 'x' `\d`"#), ["a\"b\\c", "x", r"\d"].map(|text| Token::Text(text.into())));
        for wrong in [r#""a"#, r#""\d""#, "1x", "5m3", "$", "0xg"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }
}
