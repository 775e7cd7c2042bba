//! `tailfill completions` and `tailfill man`: made from the arguments, so they name every command and option.

use super::answer::print;
use super::args::{Arguments, CompletionsArgs, ManArgs};
use crate::error::Exit;
use crate::failure::Failure;
use clap::CommandFactory;
use std::path::Path;

const NAME: &str = "tailfill";

/// The script that teaches a shell the commands and options.
pub fn completions(args: CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), NAME, &mut script);
    answer(&script)
}

/// One page in roff on standard output, or a file for the program and each command in a folder.
pub fn man(args: ManArgs) -> Result<Exit, Failure> {
    if let Some(folder) = args.dir {
        write_pages(&folder).map_err(|error| cannot_write(&folder, &error))?;
        return Ok(Exit::Done);
    }
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut page);
    rendered.map_err(|error| Failure::new(Exit::Failed, error))?;
    answer(&page)
}

fn write_pages(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Arguments::command(), folder)
}

fn cannot_write(folder: &Path, error: &std::io::Error) -> Failure {
    let what = format!("cannot write the man pages to {}: {error}", folder.display());
    Failure::new(Exit::Failed, what).with_help("name a folder that you may write to")
}

fn answer(text: &[u8]) -> Result<Exit, Failure> {
    print(&String::from_utf8_lossy(text))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_man_page_that_names_its_options() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("share/man1");
        man(ManArgs { dir: Some(pages.clone()) }).unwrap();
        for command in Arguments::command().get_subcommands() {
            let file = pages.join(format!("tailfill-{}.1", command.get_name()));
            let page = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
            for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
                let option = option.replace('-', "\\-");
                assert!(page.contains(&option), "{file:?} does not name --{option}");
            }
        }
        assert!(std::fs::read_to_string(pages.join("tailfill.1")).unwrap().contains("Exit codes"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = man(ManArgs { dir: Some(file.path().join("below")) }).unwrap_err();
        let text = failure.render();
        assert!(text.contains(&file.path().display().to_string()) && text.contains("help: "), "{text}");
    }

    #[test]
    fn every_shell_gets_a_script_that_names_every_command() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), NAME, &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Arguments::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
