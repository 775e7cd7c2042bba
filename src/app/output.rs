//! Text for people, which never keeps a run from its work: nobody may read it any more (`run 2>&1 | tee log`, and Ctrl-C
//! ends tee first), or read it no further (a full pipe). Each of the two streams has a thread that writes, behind a
//! bounded queue; what does not fit into it, or cannot be written, is dropped.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Texts that wait for their reader at most.
const TEXTS_QUEUED: usize = 4_096;
/// How long the end of a process waits for a reader.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Says something on standard error.
pub fn eprint(text: impl Into<Vec<u8>>) {
    error().put(text.into());
}

/// The same with the end of the line; an event, where standard error is a log in JSON.
pub fn eprint_line(line: &str) {
    match is_json() {
        true => tracing::info!("{line}"),
        false => eprint(format!("{line}\n")),
    }
}

/// From now on, standard error is a log in JSON, and holds nothing else.
pub fn write_json() {
    IS_JSON.store(true, Relaxed);
}

/// Whether [`write_json`] was called.
pub fn is_json() -> bool {
    IS_JSON.load(Relaxed)
}

static IS_JSON: AtomicBool = AtomicBool::new(false);

/// The answer of a command that must come to its end, on standard output.
pub fn answer(line: &str) {
    output().put(format!("{line}\n").into());
    output().flush();
}

/// Waits until what was said is written, for a moment.
pub fn flush() {
    error().flush();
}

fn error() -> &'static Line {
    static ERROR: OnceLock<Line> = OnceLock::new();
    ERROR.get_or_init(|| Line::to(io::stderr))
}

fn output() -> &'static Line {
    static OUTPUT: OnceLock<Line> = OnceLock::new();
    OUTPUT.get_or_init(|| Line::to(io::stdout))
}

enum Item {
    Text(Vec<u8>),
    /// Everything before it is written once its other end is gone.
    Mark(#[expect(dead_code, reason = "dropped is what it does")] SyncSender<()>),
}

struct Line(SyncSender<Item>);

impl Line {
    fn to<W: Write>(stream: impl Fn() -> W + Send + 'static) -> Line {
        let (queue, items) = sync_channel(TEXTS_QUEUED);
        let work = move || write_all(stream, &items);
        // where no thread can be had, the other end is gone, and all is dropped
        let _ = std::thread::Builder::new().name("output".into()).spawn(work);
        Line(queue)
    }

    fn put(&self, text: Vec<u8>) {
        let _ = self.0.try_send(Item::Text(text)); // nobody reads: dropped
    }

    fn flush(&self) {
        let (mark, written) = sync_channel(0);
        if self.0.try_send(Item::Mark(mark)).is_ok() {
            // written, which ends the mark; or nobody reads
            let (Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout)) =
                written.recv_timeout(FLUSH_LIMIT);
        }
    }
}

fn write_all<W: Write>(stream: impl Fn() -> W, items: &Receiver<Item>) {
    while let Ok(item) = items.recv() {
        if let Item::Text(text) = item {
            // a reader that is gone is no failure of the run
            let _ = stream().write_all(&text).and_then(|()| stream().flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A reader that takes what it is given while somebody lets it.
    #[derive(Clone, Default)]
    struct Reader(Arc<Mutex<Vec<u8>>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics while it holds it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_said_is_written_in_order_before_a_flush_returns() {
        let reader = Reader::default();
        let stream = reader.clone();
        let line = Line::to(move || stream.clone());
        (0..100).for_each(|number| line.put(format!("{number} ").into()));
        line.flush();
        let written = String::from_utf8(reader.0.lock().expect("as above").clone()).expect("text");
        assert_eq!(written, (0..100).map(|number| format!("{number} ")).collect::<String>());
    }

    #[test]
    fn a_reader_that_reads_no_further_costs_text_and_no_time() {
        let reader = Reader::default();
        let blocked = reader.0.lock().expect("as above");
        let stream = reader.clone();
        let line = Line::to(move || stream.clone());
        (0..10 * TEXTS_QUEUED).for_each(|_| line.put(b"text".to_vec()));
        line.flush();
        assert!(blocked.is_empty());
    }
}
