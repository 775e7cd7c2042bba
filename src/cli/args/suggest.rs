//! What can be typed behind `tailfill suggest`.

use clap::Args;

#[derive(Debug, Args)]
pub struct SuggestArgs {
    /// mysql://USER@HOST:PORT/DATABASE. A password in it shows in the list of processes, and never in the answer
    #[arg(long, value_name = "URL")]
    pub source: String,
    /// The table with the lists: schema.table, or a table in the database of the URL
    #[arg(long)]
    pub table: String,
    /// What your application asks of a list: latest:N, first:N, page:N, has, count, with commas between them [default: a guess]
    #[arg(long, value_name = "QUERIES", value_delimiter = ',')]
    pub queries: Vec<String>,
    /// The columns that name a list, with commas between them [default: by keys and indexes]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub list: Vec<String>,
    /// The columns that name an item in its list [default: by keys]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub item: Vec<String>,
    /// The column that orders a list, or none [default: by indexes and dates]
    #[arg(long, value_name = "COLUMN")]
    pub order: Option<String>,
    /// The mapping's name, and what the names of its HBase tables begin with [default: the table's name]
    #[arg(long)]
    pub name: Option<String>,
    /// The environment variable that holds the password [default: TAILFILL_PASSWORD, if it is set]
    #[arg(long, value_name = "VARIABLE", conflicts_with = "password_file")]
    pub password_env: Option<String>,
    /// The file that holds the password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<String>,
    /// The tail's number as a replica [default: 4242, or the next one that is free]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub server_id: Option<u32>,
    /// disabled, preferred, required, verify-ca or verify-identity [default: preferred]
    #[arg(long, value_name = "MODE")]
    pub tls: Option<String>,
    /// PEM file of the authority that signed the server's certificate
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// PEM file of a certificate for the login, with --key
    #[arg(long, value_name = "FILE")]
    pub cert: Option<String>,
    /// PEM file of the key of --cert
    #[arg(long, value_name = "FILE")]
    pub key: Option<String>,
    /// host:port of each Thrift2 gateway, with commas between them [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub hbase: Vec<String>,
    /// host:port of each memcached, with commas between them [default: 127.0.0.1:11211]
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub memcached: Vec<String>,
    /// Print one JSON document: the figures, and the configuration as a text
    #[arg(long)]
    pub json: bool,
}
