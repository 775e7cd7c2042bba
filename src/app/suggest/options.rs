//! What `tailfill suggest` is given.

use super::table::ShapeWish;
use super::targets::Asked;
use crate::config::Secret;

#[derive(Clone, Debug)]
pub struct SuggestOptions {
    /// Without its password.
    pub url: String,
    /// That of the URL.
    pub password: Option<Secret>,
    /// Where the file shall take the password from.
    pub password_from: Option<PasswordFrom>,
    /// `tls`, `ca`, `cert` and `key` of `[source]`, as far as they are given.
    pub tls: Vec<(&'static str, String)>,
    pub server_id: Option<u32>,
    /// `schema.table`, or a table in the database of the URL.
    pub table: String,
    /// Of the mapping.
    pub name: Option<String>,
    pub wish: ShapeWish,
    /// Empty: a guess.
    pub asked: Vec<Asked>,
    /// `host:port` of gateways; empty: the default.
    pub hbase: Vec<String>,
    /// The same of memcached.
    pub memcached: Vec<String>,
    pub json: bool,
}

/// How a configuration takes a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordFrom {
    Env(String),
    File(String),
}
