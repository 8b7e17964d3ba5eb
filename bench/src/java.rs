//! The Java programs in `java/`, built with Maven.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A command that runs one of the classes with a heap bound as `-Xmx` has it, or in one phrase why
/// that cannot be.
pub(crate) fn command(class: &str, heap: &str) -> Result<Command, String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("java");
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    BUILT.get_or_init(|| build(&project)).clone()?;
    let separator = if cfg!(windows) { ";" } else { ":" };
    let mut command = Command::new("java");
    command
        .current_dir(&project)
        .args([
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            heap,
            "-cp",
        ])
        .arg(format!("target/classes{separator}target/dependency/*"))
        .arg(class);
    Ok(command)
}

/// Compiles the classes and fetches the jars they need; offline once they are there.
fn build(project: &Path) -> Result<(), String> {
    let maven = |offline: &[&str]| {
        Command::new("mvn")
            .current_dir(project)
            .arg("--quiet")
            .args(offline)
            .args(["compile", "dependency:copy-dependencies"])
            .stdout(Stdio::null())
            .status()
            .map_err(|error| format!("Maven cannot be started ({error})"))
    };
    if maven(&["--offline"])?.success() || maven(&[])?.success() {
        return Ok(());
    }
    Err("Maven could not build the Java side".to_owned())
}
