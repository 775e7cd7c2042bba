//! HBase's own shell, on the HBase of `scripts/services`.

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs statements, which all have to succeed; returns what it printed.
pub async fn run(statements: &str) -> String {
    let file = tempfile::Builder::new().suffix(".rb").tempfile().expect("a temporary file");
    std::fs::write(file.path(), format!("{statements}\n")).expect("it can be written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
    let mut command = Command::new(script);
    command.arg("shell").arg(file.path()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it does not panic");
    let output = output.expect("scripts/services can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{statements}\n{out}\n{err}");
    out
}
