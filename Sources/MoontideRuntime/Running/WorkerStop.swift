import MoontideCore

/// Why a worker cannot go on with its step. The store is rolled back, the place is kept.
enum WorkerStop: Error {
  /// No room on the disk: later again.
  case wait(Diagnostic)
  /// Never again without a person.
  case halt(Diagnostic)

  var diagnostic: Diagnostic {
    switch self {
    case .wait(let diagnostic), .halt(let diagnostic): diagnostic
    }
  }

  /// - Parameter handler: `consumer receipts`.
  static func store(_ error: StoreError, handler: String) -> WorkerStop {
    switch error {
    case .full(let path): .wait(short(handler, path, nil))
    case .exhausted(let path, let reason): .wait(short(handler, path, reason))
    case .damaged(let path, let reason):
      .halt(broken(handler, "\(path) is damaged: \(reason)"))
    case .io(let path, let reason):
      .halt(broken(handler, "\(path) cannot be used: \(reason)"))
    case .refused(let text), .constraint(let text), .foldedConstraint(let text):
      .halt(broken(handler, "its own bookkeeping was refused: \(text)"))
    }
  }

  static func log(_ error: LogError, handler: String) -> WorkerStop {
    if case .file(let file) = error, file.isPassing {
      return .wait(short(handler, file.path, file.isFullDisk ? nil : file.reason))
    }
    return .halt(
      Diagnostic(
        code: RuntimeCode.logBroken.rawValue, "\(handler) stopped: the log refuses (\(error))",
        details: [.init("help", "moontide events verify · moontide doctor")]))
  }

  /// - Parameter reason: the system's, when it is not the room on the disk that is short.
  private static func short(_ handler: String, _ path: String, _ reason: String?) -> Diagnostic {
    let what = reason.map { "cannot use \(path) for now (\($0))" } ?? "no room on the disk to write \(path)"
    let help = reason == nil ? "free some space: df -h" : "close what holds files open, or raise ulimit -n"
    return Diagnostic(
      .warning, code: RuntimeCode.storeFull.rawValue, "\(handler): \(what)",
      details: [
        .init("state", "it waits, and tries again every \(Limits.fullDiskPause / .seconds(1)) s"),
        .init("help", "\(help); it goes on by itself"),
      ])
  }

  private static func broken(_ handler: String, _ reason: String) -> Diagnostic {
    Diagnostic(
      code: RuntimeCode.storeBroken.rawValue, "\(handler) stopped: \(reason)",
      details: [.init("help", "moontide doctor · moontide explain E0313")])
  }
}
