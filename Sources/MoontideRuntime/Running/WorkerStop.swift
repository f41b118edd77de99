import MoontideCore

/// Why a worker cannot go on with its step. The store is rolled back, the place is kept.
enum WorkerStop: Error {
  /// No room on the disk: later again.
  case wait(Diagnostic)
  /// Never again without a person.
  case halt(Diagnostic)

  /// - Parameter handler: `consumer receipts`.
  static func store(_ error: StoreError, handler: String) -> WorkerStop {
    switch error {
    case .full(let path):
      .wait(
        Diagnostic(
          .warning, code: RuntimeCode.storeFull.rawValue, "\(handler): no room on the disk to write \(path)",
          details: [.init("help", "free some space; it goes on by itself")]))
    case .damaged(let path, let reason):
      .halt(broken(handler, "\(path) is damaged: \(reason)"))
    case .io(let path, let reason):
      .halt(broken(handler, "\(path) cannot be used: \(reason)"))
    case .refused(let text), .constraint(let text), .foldedConstraint(let text):
      .halt(broken(handler, "its own bookkeeping was refused: \(text)"))
    }
  }

  static func log(_ error: LogError, handler: String) -> WorkerStop {
    if case .file(let file) = error, file.errno == Self.noSpace {
      return .wait(
        Diagnostic(
          .warning, code: RuntimeCode.storeFull.rawValue,
          "\(handler): no room on the disk to write \(file.path)",
          details: [.init("help", "free some space; it goes on by itself")]))
    }
    return .halt(
      Diagnostic(
        code: RuntimeCode.logBroken.rawValue, "\(handler) stopped: the log refuses (\(error))",
        details: [.init("help", "moontide events verify · moontide doctor")]))
  }

  /// ENOSPC on Linux.
  private static let noSpace: Int32 = 28

  private static func broken(_ handler: String, _ reason: String) -> Diagnostic {
    Diagnostic(
      code: RuntimeCode.storeBroken.rawValue, "\(handler) stopped: \(reason)",
      details: [.init("help", "moontide doctor · moontide explain E0313")])
  }
}
