//! What goes into an archive, as it is gathered.

use super::scrub::Secrets;

/// What there is to take in, or why there is nothing.
pub type Told<T> = Result<T, String>;

/// A file of the archive.
pub struct Piece {
    pub name: &'static str,
    /// What it is, for the list of contents.
    pub what: &'static str,
    pub text: String,
}

/// The contents.
#[derive(Default)]
pub struct Bundle {
    /// What the run does, in words.
    pub run: String,
    pub secrets: Secrets,
    /// Files and environment variables whose passwords are not known, so that nobody searches for them.
    pub unread: Vec<String>,
    pub pieces: Vec<Piece>,
    /// What is not in it, and why.
    pub left_out: Vec<(&'static str, String)>,
}

impl Bundle {
    /// Takes a text in without secrets, or why there is none.
    pub fn take(&mut self, name: &'static str, what: &'static str, text: Told<String>) {
        match text {
            Ok(text) => self.pieces.push(Piece { name, what, text: self.secrets.removed_from(&text) }),
            Err(reason) => self.left_out.push((name, self.secrets.removed_from(&reason))),
        }
    }
}
