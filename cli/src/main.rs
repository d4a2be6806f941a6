//! `tcplimit`: everything is in the library, so that tests, fuzz targets and
//! benchmarks run what the program runs.

fn main() -> std::process::ExitCode {
    tcplimit::command::main()
}
