public import MoontideCore

extension FileError {
  /// The same for a person.
  var diagnostic: Diagnostic {
    Diagnostic(
      code: HostCode.file.code, "cannot \(operation) \(path): \(reason)",
      details: [.init("help", "check that the path exists and that this user may use it")])
  }

  /// Runs `body` and tells a failure as a diagnostic.
  public static func told<T>(_ body: () throws(FileError) -> T) throws(Diagnostic) -> T {
    do throws(FileError) { return try body() } catch { throw error.diagnostic }
  }
}
