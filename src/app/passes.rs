//! A full comparison that can be interrupted: what it has is saved every few seconds, and another process goes on with it.

use super::pass_file::PassFile;
use super::verify_display::shown;
use super::{connect, output};
use crate::advice;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::DateTime;
use crate::sink::{TABLE_ATTRIBUTE, TableState};
use crate::verify::{FileError, Part, Pass, Saved, Verification, VerifyReport, full_pass};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// What a kill loses at most.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// A pass works for so many times as long as it takes to save it.
const WORK_PER_SAVE: u32 = 20;

/// Compares every item; `resume`: from where the last comparison was interrupted, if one was.
///
/// # Errors
/// As of [`full_pass`]; nobody can go on with the one that was interrupted; a person interrupts this one. What was compared
/// by then is saved.
pub async fn full(
    config: &Config,
    verification: &Verification,
    resume: bool,
) -> Result<VerifyReport, Failure> {
    let keeper = Keeper::open(config, resume)?;
    let earlier = match &keeper {
        Some(keeper) if resume => keeper.earlier()?,
        _ => None,
    };
    if let Some(keeper) = &keeper {
        keeper.announce(resume, earlier.as_ref());
    }
    let pass = Arc::new(Pass::new(parts(config, verification).await?, earlier));
    let report = shown(verification, until_stopped(verification, &pass, keeper.as_ref())).await;
    if let Some(keeper) = &keeper {
        keeper.end(&pass).await;
    }
    report
}

/// Ends with an error when a person interrupts it.
async fn until_stopped(
    verification: &Verification,
    pass: &Arc<Pass>,
    keeper: Option<&Keeper>,
) -> Result<VerifyReport, Failure> {
    let hear = |kind| signal(kind).map_err(|error| Failure::new(Exit::Failed, error));
    let (mut interrupt, mut terminate) = (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?);
    let saving = async {
        match keeper {
            Some(keeper) => keeper.keep_saving(pass).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! { biased;
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        report = full_pass(verification, pass) => return Ok(report?),
        () = saving => {}
    }
    Err(Failure::new(Exit::Interrupted, "the verification was interrupted"))
}

/// What a job is known by that a comparison does not know: the tables themselves, where a gateway tells them apart.
async fn parts(config: &Config, verification: &Verification) -> Result<Vec<Part>, Failure> {
    let sink = connect::sink(config, &verification.mappings).await?;
    let mut parts = Vec::new();
    for target in verification.mappings.iter().flat_map(|mapping| &mapping.targets) {
        if let TableState::Present { attributes: Some(attributes), .. } = sink.describe(target.id).await? {
            let id = attributes.get(TABLE_ATTRIBUTE).map_or("", String::as_str);
            parts.push(Part::new(format!("the HBase table {}", target.table), id));
        }
    }
    Ok(parts)
}

/// Saves a pass.
struct Keeper {
    file: Arc<PassFile>,
    /// What is in the file is of this pass.
    saved: AtomicBool,
    /// Somebody has heard that it cannot be written.
    warned: AtomicBool,
}

impl Keeper {
    /// `None`: nothing can be saved, which is said. That is an error only for who wants to go on.
    fn open(config: &Config, resume: bool) -> Result<Option<Keeper>, Failure> {
        let reason = match PassFile::open(&config.state_dir) {
            Ok(Some(file)) => {
                let (saved, warned) = (AtomicBool::new(false), AtomicBool::new(false));
                return Ok(Some(Keeper { file: Arc::new(file), saved, warned }));
            }
            Ok(None) => "another verification of this state_dir is under way".to_owned(),
            Err(error) => format!("{} cannot be written: {error}", config.state_dir.display()),
        };
        if resume {
            return Err(Failure::new(Exit::Refused, format!("nothing can be resumed: {reason}")));
        }
        output::eprint_line(&format!("this verification cannot be resumed if it is interrupted: {reason}"));
        Ok(None)
    }

    /// The pass that was interrupted.
    fn earlier(&self) -> Result<Option<Saved>, Failure> {
        let path = self.file.path().display();
        let unusable = |reason: &dyn std::fmt::Display| {
            let text = format!("tailfill cannot resume the interrupted verification in {path}: {reason}");
            Failure::new(Exit::Refused, text).with_help(advice::verify_anew())
        };
        let Some(bytes) = self.file.read().map_err(|error| unusable(&error))? else { return Ok(None) };
        Saved::decode(&bytes).map(Some).map_err(|error: FileError| unusable(&error))
    }

    /// Says what becomes of a pass that was interrupted.
    fn announce(&self, resume: bool, earlier: Option<&Saved>) {
        let at = |saved: &Saved| DateTime::from_ms_since_epoch(saved.saved_ms()).in_seconds();
        match (resume, earlier) {
            (true, Some(saved)) => {
                self.saved.store(true, Relaxed);
                output::eprint_line(&format!("verify resumes what was interrupted at {}", at(saved)));
            }
            (true, None) => {
                output::eprint_line("no verification was interrupted, so verify begins a new one");
            }
            (false, _) => {
                let Ok(Some(bytes)) = self.file.read() else { return };
                let time =
                    Saved::decode(&bytes).map(|saved| format!(" at {}", at(&saved))).unwrap_or_default();
                output::eprint_line(&format!(
                    "verify begins a new comparison and throws away the one that was interrupted{time}; --resume would \
                     have continued it. Ctrl-C within {} s keeps it",
                    SAVE_EVERY.as_secs()
                ));
            }
        }
    }

    /// Saves at intervals, for ever.
    async fn keep_saving(&self, pass: &Arc<Pass>) {
        let mut pause = SAVE_EVERY;
        loop {
            sleep(pause).await;
            let begin = Instant::now();
            self.save(pass).await;
            pause = SAVE_EVERY.max(begin.elapsed() * WORK_PER_SAVE);
        }
    }

    /// Whether all of it is in the file now.
    async fn save(&self, pass: &Arc<Pass>) -> bool {
        let (pass, file) = (pass.clone(), self.file.clone());
        let write = move || file.write(|| pass.saved());
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(true)) => {
                self.saved.store(true, Relaxed);
                return true;
            }
            // nothing to save yet
            Ok(Ok(false)) => {}
            Ok(Err(error)) if !self.warned.swap(true, Relaxed) => {
                let path = self.file.path().display();
                tracing::warn!(%error, "verify cannot save how far it is in {path}, and tries again");
            }
            Ok(Err(_)) => {}
            Err(error) => tracing::warn!(%error, "verify could not save how far it is"),
        }
        false
    }

    /// Removes the file of a pass that is done. Else saves once more, and says how to go on; but a pass that was not saved yet
    /// leaves an earlier one where it is.
    async fn end(&self, pass: &Arc<Pass>) {
        if pass.is_complete() {
            if let Err(error) = self.file.remove() {
                tracing::warn!(%error, "{} could not be removed", self.file.path().display());
            }
            return;
        }
        let is_of_another = !self.saved.load(Relaxed) && matches!(self.file.read(), Ok(Some(_)));
        if is_of_another {
            output::eprint_line(&format!("the earlier comparison is kept: {}", advice::resume_verify()));
        } else if self.save(pass).await {
            output::eprint_line(&format!("what was compared is saved: {}", advice::resume_verify()));
        }
    }
}
