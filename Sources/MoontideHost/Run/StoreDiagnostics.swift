import MoontideCore
import MoontideSQLite

extension StoreError {
  /// Runs `body` and tells a failure as a diagnostic.
  static func told<T>(_ body: () throws(StoreError) -> T) throws(Diagnostic) -> T {
    do throws(StoreError) { return try body() } catch { throw error.diagnostic }
  }

  /// The same for a person.
  var diagnostic: Diagnostic {
    switch self {
    case .refused(let text), .constraint(let text), .foldedConstraint(let text):
      Diagnostic(.query, "SQLite refuses: \(text)")
    case .full(let path):
      Diagnostic(passing: "no room on the disk to write \(path)", help: "free some space: df -h")
    case .exhausted(let path, let reason):
      Diagnostic(
        passing: "\(path) cannot be used for now: \(reason)",
        help: "close what holds files open, or raise ulimit -n")
    case .damaged(let path, let reason):
      Diagnostic(
        .storeDamaged, "\(path) is damaged: \(reason)")
    case .io(let path, let reason): Diagnostic(.file, "\(path) cannot be used: \(reason)")
    }
  }
}

extension StoreOpeningError {
  func diagnostic(_ path: String) -> Diagnostic {
    switch self {
    case .schema(let fault): Diagnostic(.query, "the schema of \(path) is refused: \(fault.message)")
    case .unsupportedFormat(let path, let version, let supported):
      Diagnostic(.logFormat, "\(path) has format \(version); this moontide reads up to \(supported)")
    case .empty(let path):
      Diagnostic(.storeDamaged, "\(path) is empty: a run was killed while it was made; moontide run makes it")
    case .store(let error): error.diagnostic
    }
  }
}
