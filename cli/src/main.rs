//! `tcplimit`: all code is in the library, so that tests, fuzz targets and benchmarks run it too.

fn main() -> std::process::ExitCode {
    tcplimit::command::main()
}
