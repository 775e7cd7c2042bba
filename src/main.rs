fn main() -> std::process::ExitCode {
    tailfill::cli::main()
}
