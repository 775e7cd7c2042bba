//! The example against the defaults, and every case of tests/cases/config.

use super::*;
use std::collections::BTreeSet;

/// What has no default, as config/example.toml gives it.
const SHORTEST: &str = r#"
[source]
url = "mysql://tailfill@127.0.0.1:3306/social"
server_id = 4242
[lease]
servers = ["127.0.0.1:11211"]
[hbase]
gateways = ["127.0.0.1:9090"]
[[mapping]]
name = "followers"
table = "follows"
key = ["followee_id"]
item = ["follower_id"]
order = { by = "created_at", descending = true }
[[mapping.target]]
table = "followers"
[[mapping.query]]
name = "latest"
kind = "latest"
limit = 5000
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn parse_here(text: &str) -> Result<Config, Faults> {
    parse(text, Path::new("here"), &|name| (name == "SET").then(|| "hunter2".to_owned()))
}

#[test]
fn the_example_gives_every_key_its_default() {
    let example = load(&root().join("config/example.toml")).expect("the example obeys the rules");
    let folder = root().join("config");
    let mut shortest = parse(SHORTEST, &folder, &|_| None).expect("the shortest configuration is enough");
    // which limits a file names is kept beside them, to be shown
    shortest.limits.given.clone_from(&example.limits.given);
    assert_eq!(example, shortest);
    assert_eq!(example.state_dir, folder.join("state"));
}

#[test]
fn through_thrift1_batches_are_sealed_less_often_unless_they_are_told_to() {
    let with = |hbase: &str, tail: &str| {
        let text = SHORTEST.replace("[hbase]", &format!("[tail]\n{tail}\n[hbase]\n{hbase}"));
        parse_here(&text).expect("it obeys the rules").tail.batch_wait.as_millis()
    };
    assert_eq!((with("", ""), with("kind = \"thrift1\"", "")), (5, 50));
    assert_eq!(with("kind = \"thrift1\"", "batch_wait = \"5ms\""), 5);
}

#[test]
fn retry_for_bounds_both_servers_and_is_still_read_by_its_older_name() {
    let retry_for = |text: String| parse_here(&text).expect("it obeys the rules").run.retry_for.as_secs();
    assert_eq!(retry_for(SHORTEST.to_owned()), 600);
    assert_eq!(retry_for(format!("{SHORTEST}\n[run]\nretry_for = \"7s\"")), 7);
    assert_eq!(retry_for(SHORTEST.replace("[hbase]", "[hbase]\nretry_for = \"7s\"")), 7);
}

#[test]
fn the_example_names_every_key() {
    // Every table gets an unknown key; the fault about it lists the keys of that table.
    let text = "zzzzzzzzzz = 1\n".to_owned()
        + &["source", "lease", "hbase", "run", "admin", "tail", "backfill", "throttle", "verify"]
            .map(|s| format!("[{s}]\nzzzzzzzzzz = 1\n"))
            .concat()
        + "[[throttle.replica]]\nzzzzzzzzzz = 1\n[[mapping]]\nzzzzzzzzzz = 1\norder = { zzzzzzzzzz = 1 }\n[[mapping.target]]\nzzzzzzzzzz = 1\n[[mapping.query]]\nzzzzzzzzzz = 1\n";
    let faults = parse_here(&text).unwrap_err();
    let listed: Vec<&str> = faults
        .0
        .iter()
        .filter_map(|fault| fault.rule.split_once("(its keys: "))
        .map(|(_, keys)| keys)
        .collect();
    assert_eq!(listed.len(), 15);
    let keys: BTreeSet<&str> =
        listed.iter().flat_map(|keys| keys.trim_end_matches(')').split(", ")).collect();
    let example = std::fs::read_to_string(root().join("config/example.toml")).expect("the example");
    for key in keys {
        let given = [
            format!("\n{key} = "),
            format!("\n# {key} = "),
            format!("[{key}]"),
            format!(".{key}]]"),
            format!(" {key} = "),
        ];
        assert!(given.iter().any(|shape| example.contains(shape)), "{key} is not in the example");
    }
}

/// Each `NAME.toml` has its faults, one a line, in `NAME.faults`. With TAILFILL_BLESS=1 the files
/// are written instead, to be read before they are committed.
#[test]
fn every_case_has_exactly_its_faults() {
    let folder = root().join("tests/cases/config");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 10, "{cases:?}");
    for case in cases {
        let text = std::fs::read_to_string(&case).expect("a case");
        let found = match parse(&text, &folder, &|_| None) {
            Ok(_) => String::new(),
            Err(faults) => format!("{faults}\n"),
        };
        assert!(!found.contains("hunter2"), "{} prints a secret", case.display());
        let expected = case.with_extension("faults");
        if std::env::var_os("TAILFILL_BLESS").is_some() {
            std::fs::write(&expected, &found).expect("a writable case");
        }
        let expected = std::fs::read_to_string(&expected).expect("the faults of a case");
        assert_eq!(found, expected, "{}", case.display());
    }
}

#[test]
fn a_password_comes_from_the_environment_or_a_file_and_is_never_printed() {
    let with = |line: &str| SHORTEST.replace("server_id", &format!("{line}\nserver_id"));
    let config = parse_here(&with("password_env = \"SET\"")).expect("a password");
    assert_eq!(config.source.password.as_ref().map(Secret::reveal), Some("hunter2"));
    assert!(!format!("{config:?} {config:#?}").contains("hunter2"));

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("pw"), "hunter2\r\n").expect("a file");
    let config = parse(&with("password_file = \"pw\""), folder.path(), &|_| None).expect("a password");
    assert_eq!(config.source.password.as_ref().map(Secret::reveal), Some("hunter2"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(Path::new("no/such/tailfill.toml")).unwrap_err();
    assert_eq!(error.to_string(), "the configuration no/such/tailfill.toml cannot be read");
}

#[test]
fn an_absolute_state_dir_stays_and_a_relative_one_starts_at_the_file() {
    let config = parse_here(&format!("state_dir = \"/var/lib/tailfill\"\n{SHORTEST}")).unwrap();
    assert_eq!(config.state_dir, Path::new("/var/lib/tailfill"));
    assert_eq!(parse_here(SHORTEST).unwrap().state_dir, Path::new("here/state"));
}
