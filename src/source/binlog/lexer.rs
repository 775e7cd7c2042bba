//! Splits a SQL statement into tokens, as far as names and verbs need it: comments, version
//! comments, backquotes, ANSI quotes and strings are understood, never split on spaces.

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A bare keyword, identifier or number.
    Word(String),
    /// `` `name` ``: never a keyword.
    Name(String),
    /// `"text"`: an identifier under ANSI_QUOTES, else a string.
    DoubleQuoted(String),
    /// `'text'`.
    Text(String),
    Symbol(char),
}

/// A quote or comment that never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quote or comment does not end")]
pub struct Unterminated;

impl Token {
    /// Whether this is the keyword `word` (upper case).
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(text) if text.eq_ignore_ascii_case(word))
    }

    /// The text, where an identifier may stand.
    pub fn identifier(&self) -> Option<&str> {
        match self {
            Token::Word(text) | Token::Name(text) | Token::DoubleQuoted(text) => Some(text),
            Token::Text(_) | Token::Symbol(_) => None,
        }
    }
}

/// The tokens of `statement`; the content of version comments (`/*!80000 ... */`) counts, other
/// comments do not.
pub fn tokens(statement: &str) -> Result<Vec<Token>, Unterminated> {
    let mut lexer = Lexer { chars: statement.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    while let Some(c) = lexer.peek(0) {
        match c {
            _ if c.is_whitespace() => lexer.at += 1,
            '#' => lexer.skip_line(),
            '-' if lexer.peek(1) == Some('-') && lexer.peek(2).is_none_or(|c| c <= ' ') => lexer.skip_line(),
            '/' if lexer.peek(1) == Some('*') => lexer.comment()?,
            // The end of a version comment, whose content was read as tokens.
            '*' if lexer.peek(1) == Some('/') => lexer.at += 2,
            '`' => tokens.push(Token::Name(lexer.quoted('`', false)?)),
            '"' => tokens.push(Token::DoubleQuoted(lexer.quoted('"', true)?)),
            '\'' => tokens.push(Token::Text(lexer.quoted('\'', true)?)),
            _ if is_word(c) => tokens.push(Token::Word(lexer.word())),
            _ => {
                lexer.at += 1;
                tokens.push(Token::Symbol(c));
            }
        }
    }
    Ok(tokens)
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.at += 1;
        }
    }

    /// Passes over a comment, or over the opening of a version comment.
    fn comment(&mut self) -> Result<(), Unterminated> {
        self.at += 2;
        if self.peek(0) == Some('!') {
            self.at += 1;
            while self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
            }
            return Ok(());
        }
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('*'), Some('/')) => {
                    self.at += 2;
                    return Ok(());
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(Unterminated),
            }
        }
    }

    fn quoted(&mut self, quote: char, backslash_escapes: bool) -> Result<String, Unterminated> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek(0).ok_or(Unterminated)?;
            self.at += 1;
            if c == quote {
                if self.peek(0) != Some(quote) {
                    return Ok(text);
                }
                self.at += 1;
            } else if c == '\\' && backslash_escapes {
                text.push(self.peek(0).ok_or(Unterminated)?);
                self.at += 1;
                continue;
            }
            text.push(c);
        }
    }

    fn word(&mut self) -> String {
        let from = self.at;
        while self.peek(0).is_some_and(is_word) {
            self.at += 1;
        }
        self.chars[from..self.at].iter().collect()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '@') || c >= '\u{80}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_quotes_do_not_hide_or_make_tokens() {
        let read = tokens("drop /* table x */ TABLE -- y\n`a``b`.\"c\" # z\n, 'd''e\\'f'").unwrap();
        assert!(read[0].is("DROP") && read[1].is("TABLE"));
        assert_eq!(
            read[2..],
            [
                Token::Name("a`b".into()),
                Token::Symbol('.'),
                Token::DoubleQuoted("c".into()),
                Token::Symbol(','),
                Token::Text("d'e'f".into()),
            ]
        );
    }

    #[test]
    fn the_content_of_a_version_comment_counts() {
        let read = tokens("/*!40000 ALTER TABLE t DISABLE KEYS */").unwrap();
        assert!(read[0].is("ALTER") && read[2].is("T"));
        assert_eq!(read.len(), 5);
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        for bad in ["'a", "`a", "\"a\\", "/* a"] {
            assert_eq!(tokens(bad), Err(Unterminated), "{bad}");
        }
    }
}
