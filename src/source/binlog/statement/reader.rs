//! Walks over the tokens of a statement: keywords, names, lists of names.

use super::lexer::Token;

/// A name as a statement gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// `None`: of the default schema.
    pub schema: Option<String>,
    pub name: String,
}

/// A place in a list of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [Token],
}

impl<'a> Reader<'a> {
    pub fn new(tokens: &'a [Token]) -> Reader<'a> {
        Reader { rest: tokens }
    }

    pub fn rest(&self) -> &'a [Token] {
        self.rest
    }

    pub fn peek(&self) -> Option<&'a Token> {
        self.rest.first()
    }

    pub fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub fn at(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.is(word))
    }

    pub fn at_symbol(&self, symbol: char) -> bool {
        self.peek() == Some(&Token::Symbol(symbol))
    }

    /// Takes the keywords of `phrase` (upper case, by blanks) if all of them stand here.
    pub fn take(&mut self, phrase: &str) -> bool {
        let mut ahead = *self;
        for word in phrase.split(' ') {
            if !ahead.at(word) {
                return false;
            }
            ahead.next();
        }
        *self = ahead;
        true
    }

    /// Takes the first of these phrases that stands here.
    pub fn take_any(&mut self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.take(phrase))
    }

    pub fn take_symbol(&mut self, symbol: char) -> bool {
        let there = self.at_symbol(symbol);
        if there {
            self.next();
        }
        there
    }

    /// `IF EXISTS`, `IF NOT EXISTS`.
    pub fn skip_condition(&mut self) {
        _ = self.take_any(&["IF NOT EXISTS", "IF EXISTS"]);
    }

    /// `WAIT n`, `NOWAIT` (MariaDB).
    pub fn skip_wait(&mut self) {
        if self.take("WAIT") {
            self.next();
        } else {
            self.take("NOWAIT");
        }
    }

    /// `name`, `schema.name`, `.name`.
    pub fn path(&mut self) -> Option<Path> {
        let mut ahead = *self;
        let leading = ahead.take_symbol('.');
        let first = ahead.next()?.identifier()?.to_owned();
        let path = if !leading && ahead.take_symbol('.') {
            Path { schema: Some(first), name: ahead.next()?.identifier()?.to_owned() }
        } else {
            Path { schema: None, name: first }
        };
        *self = ahead;
        Some(path)
    }

    /// Passes over a list in parentheses that begins here.
    pub fn skip_parentheses(&mut self) {
        let mut depth = 0_u32;
        while let Some(token) = self.next() {
            match token {
                Token::Symbol('(') => depth += 1,
                Token::Symbol(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Passes over `user`, `user@host`, `CURRENT_USER`, with or without parentheses.
    pub fn skip_user(&mut self) {
        let open = |token: &Token| matches!(token, Token::Word(word) if word.ends_with('@'));
        let mut before = self.next();
        loop {
            match self.peek() {
                Some(Token::Symbol('.' | '(' | ')')) => before = self.next(),
                Some(Token::Word(word)) if word.starts_with('@') => before = self.next(),
                _ if before.is_some_and(|token| open(token) || *token == Token::Symbol('.')) => {
                    before = self.next();
                    if before.is_none() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}

/// Splits at the commas outside parentheses.
pub fn split_at_commas(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0_i32;
    tokens.split(move |token| {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            _ => {}
        }
        depth <= 0 && *token == Token::Symbol(',')
    })
}

#[cfg(test)]
mod tests {
    use super::super::letters::Letters;
    use super::super::lexer::tokens;
    use super::super::session::Mode;
    use super::*;

    fn read(text: &str) -> Vec<Token> {
        tokens(text.as_bytes(), &Letters::utf8(), Mode::default()).read
    }

    #[test]
    fn names_are_read_with_their_schema() {
        let path = |text: &str| Reader::new(&read(text)).path();
        let of = |schema: Option<&str>, name: &str| {
            Some(Path { schema: schema.map(str::to_owned), name: name.to_owned() })
        };
        assert_eq!(path("follows x"), of(None, "follows"));
        assert_eq!(path(".follows"), of(None, "follows"));
        assert_eq!(path("social . `follows`"), of(Some("social"), "follows"));
        assert_eq!(path("(follows)"), None);
        assert_eq!(path("social."), None);
    }

    #[test]
    fn users_of_every_spelling_are_passed_over() {
        for user in [
            "root",
            "root@localhost",
            "root@127.0.0.1",
            "`root`@`localhost`",
            "'root'@'%'",
            "root@'%'",
            "'root'@localhost",
            "CURRENT_USER",
            "CURRENT_USER()",
            "'root'",
            "`a`@db.example",
        ] {
            let tokens = read(&format!("{user} TRIGGER t"));
            let mut reader = Reader::new(&tokens);
            reader.skip_user();
            assert!(reader.at("TRIGGER"), "{user}: {:?}", reader.rest());
        }
    }
}
