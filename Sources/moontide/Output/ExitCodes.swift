import ArgumentParser

/// What the process ends with; scripts rely on these.
enum ExitCodes {
  /// It did what was asked.
  static let success = ExitCode(0)
  /// It looked and found something: failed tests, a rejected command, lag above `--max`, an incompatible
  /// schema.
  static let findings = ExitCode(1)
  /// It could not do it: a script does not load, the log is damaged, I/O failed.
  static let failed = ExitCode(2)
  /// The command line is wrong (`EX_USAGE`), as ArgumentParser reports it too.
  static let usage = ExitCode(64)
  /// Bad input (`EX_DATAERR`): a bad line under `--strict`.
  static let badInput = ExitCode(65)
  /// Another process holds the project (`EX_TEMPFAIL`).
  static let locked = ExitCode(75)
  /// A second Ctrl-C.
  static let interrupted = ExitCode(130)
}
