//! What the compiler says of mistakes must stay readable.

/// The compiler whose words are written down in `compile-errors/*.stderr`; others say it otherwise.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn mistakes_are_told_in_the_words_written_down() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc).arg("--version").output();
    let version = version.expect("the compiler that built this").stdout;
    let version = String::from_utf8_lossy(&version);
    let cases = trybuild::TestCases::new();
    if version.starts_with(COMPILER) {
        cases.compile_fail("compile-errors/*.rs");
    } else {
        // The mistakes are still mistakes: examples of the documentation check that.
        println!("{version} is not {COMPILER}x: its words are not compared");
    }
}
