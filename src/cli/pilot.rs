//! The lists of a pilot, as `--only`, `--only-file` and `--sample` name them.

use super::args::RunArgs;
use super::keys;
use super::usage::usage;
use crate::app::{self, Lists};
use crate::config::Config;
use crate::failure::Failure;
use crate::model::bucket::{BUCKETS, key_name, share};
use crate::model::pilot::KEYS_MAX;
use crate::model::{Mapping, Pilot};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of a line of `--only-file` at most: a list key has far fewer.
const LINE_MAX: usize = 64 * 1024;
/// Bad lines that one message names.
const BAD_LINES: usize = 20;

/// Which lists a run moves by its arguments: those of a pilot, or what the last run had.
///
/// # Errors
/// Usage failures, which name the argument or the line, and never a key.
pub async fn lists(config: &Config, args: &RunArgs) -> Result<Lists, Failure> {
    if args.only.is_empty() && args.only_file.is_none() && args.sample.is_empty() {
        return Ok(Lists::OfBefore);
    }
    let mappings = app::mappings(config).await?;
    let mut named = Named::of(&mappings);
    for share in &args.sample {
        named.sample(share)?;
    }
    for text in args.only.iter().flat_map(|text| keys::split(text)) {
        named.key("--only", text)?;
    }
    if let Some(path) = &args.only_file {
        named.file(path)?;
    }
    Ok(Lists::Pilot(named.pilot))
}

/// What was named so far.
struct Named<'a> {
    mappings: &'a [Mapping],
    pilot: Pilot,
    /// Each list once: its mapping's place, and its name.
    seen: BTreeSet<(u16, String)>,
}

impl<'a> Named<'a> {
    fn of(mappings: &'a [Mapping]) -> Named<'a> {
        Named { mappings, pilot: Pilot::default(), seen: BTreeSet::new() }
    }

    /// `1%` of all mappings, or `MAPPING=1%`.
    fn sample(&mut self, text: &str) -> Result<(), Failure> {
        let (of, text) = match text.split_once('=') {
            Some((name, share)) => {
                (Some(self.mapping(name).ok_or_else(|| unknown("--sample", name))?), share)
            }
            None => (None, text),
        };
        let buckets = share(text.trim()).filter(|buckets| *buckets < BUCKETS).ok_or_else(|| {
            usage("--sample takes a share of the lists from 0.0001% to 99.9999%, like 1% or followers=0.1%")
                .with_help("--all moves all lists")
        })?;
        for mapping in self.mappings.iter().filter(|mapping| of.is_none_or(|of| of.id == mapping.id)) {
            self.pilot.sample(&mapping.name, buckets);
        }
        Ok(())
    }

    /// `KEY` of the only mapping, or `MAPPING=KEY`.
    fn key(&mut self, what: &str, text: &str) -> Result<(), Failure> {
        let named = text.split_once('=').and_then(|(name, key)| Some((self.mapping(name)?, key)));
        let (mapping, key) = match (named, self.mappings) {
            (Some(named), _) => named,
            (None, [only]) => (only, text),
            _ => {
                let names: Vec<&str> = self.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
                return Err(usage(format!("{what}: say which mapping the list is of: MAPPING=KEY"))
                    .with_help(format!("the mappings are {}", names.join(", "))));
            }
        };
        let key = keys::parse(what, key, &mapping.schema, &mapping.key)?;
        if !self.seen.insert((mapping.id.0, key_name(mapping, &key))) {
            return Ok(());
        }
        if self.pilot.keys() >= KEYS_MAX {
            return Err(usage(format!("a pilot names {KEYS_MAX} lists at most"))
                .with_help("take a share of the lists instead: --sample 1%"));
        }
        self.pilot.add(&mapping.name, key);
        Ok(())
    }

    /// A KEY on each line; empty lines count for nothing.
    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let cannot = |error| usage(format!("--only-file {}: {error}", path.display()));
        let mut lines = BufReader::new(File::open(path).map_err(cannot)?);
        let (mut bad, mut more) = (Vec::new(), 0);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let read =
                lines.by_ref().take(LINE_MAX as u64 + 1).read_until(b'\n', &mut line).map_err(cannot)?;
            if read == 0 {
                break;
            }
            let what = format!("line {number}");
            let taken = match std::str::from_utf8(&line) {
                _ if read > LINE_MAX => Err(usage(format!("{what}: it is longer than {LINE_MAX} bytes"))),
                Err(_) => Err(usage(format!("{what}: it is not UTF-8"))),
                Ok(text) => match text.trim_end_matches(['\n', '\r']) {
                    "" => Ok(()),
                    text => self.key(&what, text),
                },
            };
            match taken {
                Err(_) if bad.len() >= BAD_LINES => more += 1,
                Err(failure) => bad.push(failure.error.to_string()),
                Ok(()) => {}
            }
            if read > LINE_MAX || self.pilot.keys() >= KEYS_MAX && !bad.is_empty() {
                break; // what follows is no line of its own, or would fill the memory for nothing
            }
        }
        if more > 0 {
            bad.push(format!("and {more} lines more"));
        }
        match bad.is_empty() {
            true => Ok(()),
            false => Err(usage(format!("--only-file {}: {}", path.display(), bad.join("; ")))),
        }
    }

    fn mapping(&self, name: &str) -> Option<&'a Mapping> {
        self.mappings.iter().find(|mapping| mapping.name == name)
    }
}

fn unknown(what: &str, name: &str) -> Failure {
    usage(format!("{what}: there is no mapping {name} in the configuration"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::keys::tests::mapping;
    use crate::error::Exit;
    use crate::model::{ColumnType, MappingId, Value};

    fn mappings() -> [Mapping; 2] {
        let id = || ColumnType::Integer { bytes: 8, unsigned: true };
        let two = Mapping { id: MappingId(1), ..mapping("replies", vec![id(), id()]) };
        [mapping("followers", vec![id()]), two]
    }

    #[test]
    fn a_key_is_of_the_one_mapping_or_of_a_named_one() {
        let both = mappings();
        let mut named = Named::of(&both[..1]);
        for key in ["1", "followers=3", "1"] {
            named.key("--only", key).unwrap();
        }
        assert_eq!(named.pilot.mappings["followers"].keys, [[Value::UInt(1)], [Value::UInt(3)]]);
        let mut named = Named::of(&both);
        named.key("--only", "replies=[1,2]").unwrap();
        named.sample("followers=1%").unwrap();
        assert_eq!(named.pilot.words(), "1% of followers; 1 list of replies");
        let refused = named.key("--only", "1").unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.error.to_string().contains("MAPPING=KEY"), "{}", refused.error);
        named.sample("2.5%").unwrap();
        assert_eq!(named.pilot.words(), "2.5% of followers; 2.5% and 1 list of replies");
        for wrong in ["100%", "0%", "1", "others=1%"] {
            assert_eq!(named.sample(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }

    fn of_file(content: &[u8]) -> (Result<(), Failure>, Pilot) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("it can be written");
        let both = mappings();
        let mut named = Named::of(&both[..1]);
        (named.file(file.path()), named.pilot)
    }

    #[test]
    fn a_file_has_a_key_on_each_line_and_bad_lines_are_named_by_their_numbers() {
        let (taken, pilot) = of_file(b"1\n\n2\r\nfollowers=3\n2");
        taken.unwrap();
        assert_eq!(pilot.words(), "3 lists of followers");
        let (refused, _) = of_file(b"1\nbob\n3\n-4\n\xff\n");
        let said = refused.unwrap_err().error.to_string();
        for part in ["line 2: column k0 (declared) takes", "line 4: column k0", "line 5: it is not UTF-8"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("bob"), "{said}");
        let (refused, _) = of_file(&b"x\n".repeat(BAD_LINES + 7));
        assert!(refused.unwrap_err().error.to_string().ends_with("and 7 lines more"));
        let (refused, _) = of_file(&vec![b'7'; LINE_MAX * 3]);
        assert!(refused.unwrap_err().error.to_string().ends_with("line 1: it is longer than 65536 bytes"));
    }

    #[test]
    fn more_keys_than_a_pilot_may_have_are_refused() {
        let lines: String = (0..=KEYS_MAX).map(|key| format!("{key}\n")).collect();
        let (refused, pilot) = of_file(lines.as_bytes());
        assert!(refused.unwrap_err().error.to_string().ends_with("a pilot names 100000 lists at most"));
        assert_eq!(pilot.keys(), KEYS_MAX);
    }
}
