//! Cuts a SQL statement into tokens, as far as names and verbs need it, by the rules of the server's own lexer
//! (MySQL's sql/sql_lex.cc): comments, version comments, backquotes, quotes under the session's sql_mode, and text
//! between dollars are understood, never split on spaces.

use super::letters::Letters;
use super::session::Mode;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A bare keyword, identifier or number.
    Word(String),
    /// `` `name` ``, or `"name"` under ANSI_QUOTES: never a keyword.
    Name(String),
    /// `'text'`, `"text"`, `$$text$$`.
    Text(String),
    Symbol(char),
}

impl Token {
    /// Whether this is the keyword `word` (upper case).
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(text) if text.eq_ignore_ascii_case(word))
    }

    /// The text, where an identifier may stand.
    pub fn identifier(&self) -> Option<&str> {
        match self {
            Token::Word(text) | Token::Name(text) => Some(text),
            Token::Text(_) | Token::Symbol(_) => None,
        }
    }
}

/// What could be read of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub read: Vec<Token>,
    /// Whether that is all of it. It is not where a quote or comment does not end, or where nobody knows the
    /// characters.
    pub complete: bool,
}

/// The tokens of `statement`; the content of version comments (`/*!80000 ... */`) counts, other comments do not.
pub fn tokens(statement: &[u8], letters: &Letters, mode: Mode) -> Tokens {
    let mut lexer = Lexer { text: statement, at: 0, letters, mode };
    let mut read = Vec::new();
    let complete = lexer.all(&mut read).is_some() && letters.can_cut(statement);
    Tokens { read, complete }
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    letters: &'a Letters,
    mode: Mode,
}

impl Lexer<'_> {
    /// `None` where something does not end.
    fn all(&mut self, read: &mut Vec<Token>) -> Option<()> {
        while let Some(byte) = self.peek(0) {
            match byte {
                b if self.letters.is_blank(b) => self.at += 1,
                b'#' => self.skip_line(),
                b'-' if self.peek(1) == Some(b'-') && self.peek(2).is_none_or(|b| b <= b' ') => {
                    self.skip_line()
                }
                b'/' if self.peek(1) == Some(b'*') => self.comment()?,
                // The end of a version comment, whose content was read as tokens.
                b'*' if self.peek(1) == Some(b'/') => self.at += 2,
                b'`' => read.push(Token::Name(self.quoted(b'`', false)?)),
                b'"' if self.mode.ansi_quotes => read.push(Token::Name(self.quoted(b'"', false)?)),
                b'"' | b'\'' => {
                    read.push(Token::Text(self.quoted(byte, !self.mode.no_backslash_escapes)?));
                }
                b'$' => match self.between_dollars() {
                    Some(text) => read.push(Token::Text(text)),
                    None => read.push(Token::Word(self.word())),
                },
                b if is_word(b) => read.push(Token::Word(self.word())),
                _ => {
                    self.at += 1;
                    read.push(Token::Symbol(char::from(byte)));
                }
            }
        }
        Some(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// Passes over a comment, or over the opening of a version comment.
    fn comment(&mut self) -> Option<()> {
        self.at += 2;
        if self.peek(0) == Some(b'!') {
            self.at += 1;
            while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1;
            }
            return Some(());
        }
        let end = find(self.rest(), b"*/")?;
        self.at += end + 2;
        Some(())
    }

    fn quoted(&mut self, quote: u8, backslash_escapes: bool) -> Option<String> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let length = self.letters.length(self.text.get(self.at..).filter(|rest| !rest.is_empty())?);
            let letter = &self.text[self.at..self.at + length];
            self.at += length;
            if *letter == [quote] {
                if self.peek(0) != Some(quote) {
                    return Some(self.letters.decode(&text));
                }
                self.at += 1;
            } else if *letter == *b"\\" && backslash_escapes {
                text.push(self.peek(0)?);
                self.at += 1;
                continue;
            }
            text.extend_from_slice(letter);
        }
    }

    /// `$$text$$` or `$tag$text$tag$`; `None`, without a step, for a name that begins with a dollar.
    fn between_dollars(&mut self) -> Option<String> {
        let rest = self.rest();
        let tag = 2 + rest[1..].iter().position(|byte| *byte == b'$' || !is_word(*byte))?;
        let (quote, behind) = rest.split_at(tag);
        if quote.last() != Some(&b'$') {
            return None;
        }
        let end = find(behind, quote)?;
        let text = self.letters.decode(&behind[..end]);
        self.at += end + 2 * tag;
        Some(text)
    }

    fn word(&mut self) -> String {
        let from = self.at;
        while let Some(byte) = self.peek(0).filter(|byte| is_word(*byte) && !self.letters.is_blank(*byte)) {
            self.at += if byte < 0x80 { 1 } else { self.letters.length(self.rest()) };
        }
        self.letters.decode(&self.text[from..self.at])
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::text::Charsets;

    fn utf8(text: &str) -> Tokens {
        tokens(text.as_bytes(), &Letters::utf8(), Mode::default())
    }

    fn complete(text: &str) -> Vec<Token> {
        let tokens = utf8(text);
        assert!(tokens.complete, "{text}");
        tokens.read
    }

    fn text(text: &str) -> Token {
        Token::Text(text.into())
    }

    #[test]
    fn comments_and_quotes_do_not_hide_or_make_tokens() {
        let read = complete("drop /* table x */ TABLE -- y\n`a``b`.`c` # z\n, 'd''e\\'f', \"g\\\"`\"");
        assert!(read[0].is("DROP") && read[1].is("TABLE"));
        assert_eq!(
            read[2..],
            [
                Token::Name("a`b".into()),
                Token::Symbol('.'),
                Token::Name("c".into()),
                Token::Symbol(','),
                text("d'e'f"),
                Token::Symbol(','),
                text("g\"`"),
            ]
        );
    }

    #[test]
    fn the_content_of_a_version_comment_counts() {
        let read = complete("/*!40000 ALTER TABLE t DISABLE KEYS */");
        assert!(read[0].is("ALTER") && read[2].is("T"));
        assert_eq!(read.len(), 5);
    }

    #[test]
    fn what_does_not_end_is_read_up_to_there() {
        for bad in ["DROP 'a", "DROP `a", "DROP \"a\\", "DROP /* a"] {
            let tokens = utf8(bad);
            assert!(!tokens.complete && tokens.read == [Token::Word("DROP".into())], "{bad}");
        }
    }

    #[test]
    fn a_backslash_is_what_sql_mode_and_character_set_say() {
        let mode = Mode { no_backslash_escapes: true, ..Mode::default() };
        let tokens_of = tokens(br"'C:\data\' x", &Letters::utf8(), mode);
        assert_eq!(tokens_of.read, [text(r"C:\data\"), Token::Word("x".into())]);
        let gbk = Letters::of(Some(28), &Charsets::default());
        let tokens_of = tokens(b"'\xD5\x5C' x", &gbk, Mode::default());
        assert_eq!(tokens_of.read, [text("\u{FFFD}"), Token::Word("x".into())]);
    }

    #[test]
    fn double_quotes_are_what_sql_mode_says() {
        assert_eq!(complete("\"a\""), [text("a")]);
        let mode = Mode { ansi_quotes: true, ..Mode::default() };
        let name = tokens(b"\"a\\\"", &Letters::utf8(), mode);
        assert!(name.complete && name.read == [Token::Name("a\\".into())]);
    }

    #[test]
    fn text_between_dollars_is_one_token() {
        assert_eq!(complete("$$ don't $x$ `$$ a"), [text(" don't $x$ `"), Token::Word("a".into())]);
        assert_eq!(complete("$js$ $$ ' $js$;"), [text(" $$ ' "), Token::Symbol(';')]);
        assert_eq!(
            complete("$a, a$b$"),
            [Token::Word("$a".into()), Token::Symbol(','), Token::Word("a$b$".into())]
        );
    }

    #[test]
    fn characters_that_nobody_knows_are_not_all_of_it() {
        let unknown = Letters::of(None, &Charsets::default());
        assert!(tokens(b"BEGIN", &unknown, Mode::default()).complete);
        assert!(!tokens(b"DROP TABLE \xE8", &unknown, Mode::default()).complete);
    }
}
