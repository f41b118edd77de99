import MoontideCore

/// A project that another process runs, asked through its socket.
final class ControlClient: ProjectAccess {
  private let socket: ControlSocket

  private init(_ socket: ControlSocket) { self.socket = socket }

  /// Nil when no process serves the project.
  /// - Parameter cancellation: gives up waiting for an answer.
  static func connect(
    _ project: ProjectPaths, stoppedBy cancellation: QueryCancellation? = nil
  ) throws(Diagnostic) -> ControlClient? {
    guard let address = try ControlAddress.find(folder: project.cache), let socket = try address.connect()
    else {
      return nil
    }
    socket.cancellation = cancellation
    return ControlClient(socket)
  }

  func query(_ request: QueryRequest, to sink: any RowSink) throws(Diagnostic) {
    try socket.send(WireFrame(request))
    try takeRows(sink)
  }

  func send(_ request: SendRequest) throws(Diagnostic) -> SendOutcome {
    try socket.send(WireFrame(request))
    var outcome: SendOutcome?
    try answers { frame throws(Diagnostic) in
      var frame = frame
      outcome = frame.kind == .decided ? frame.sendOutcome() : nil
    }
    guard let outcome else { throw ControlClient.misread }
    return outcome
  }

  func state(
    _ request: StateRequest, to sink: any RowSink, observer: any MomentObserver
  ) throws(Diagnostic) {
    try socket.send(WireFrame(request))
    try takeRows(sink, observer)
  }

  func decide(_ request: DeadRequest, to sink: any RowSink) throws(Diagnostic) {
    try socket.send(WireFrame(request))
    try takeRows(sink)
  }

  func perform(_ request: EffectsRequest, to sink: any RowSink) throws(Diagnostic) {
    try socket.send(WireFrame(request))
    try takeRows(sink)
  }

  func decide(_ request: SagaRequest, to sink: any RowSink) throws(Diagnostic) {
    try socket.send(WireFrame(request))
    try takeRows(sink)
  }

  func reload(_ request: ReloadRequest) throws(Diagnostic) -> ReloadReport {
    try socket.send(WireFrame(request))
    var report = ReloadReport()
    try answers { frame throws(Diagnostic) in
      var frame = frame
      if !frame.add(to: &report) { throw ControlClient.misread }
    }
    return report
  }

  func rebuild(
    _ request: RebuildRequest, observer: any RebuildObserver
  ) throws(Diagnostic) -> RebuildOutcome {
    try socket.send(WireFrame(request))
    var outcome: RebuildOutcome?
    try answers { frame throws(Diagnostic) in
      var frame = frame
      switch frame.kind {
      case .rebuilding: if let status = frame.rebuildStatus() { try observer.progress(status) }
      case .rebuilt: outcome = frame.rebuildOutcome()
      default: throw ControlClient.misread
      }
    }
    guard let outcome else { throw ControlClient.misread }
    return outcome
  }

  private func takeRows(
    _ sink: any RowSink, _ observer: (any MomentObserver)? = nil
  ) throws(Diagnostic) {
    let row = RowBuffer()
    try answers { frame throws(Diagnostic) in
      var frame = frame
      switch frame.kind {
      case .columns:
        var names: [String] = []
        for _ in 0..<(frame.number() ?? 0) { if let name = frame.text() { names.append(name) } }
        try sink.columns(names)
      case .row where frame.read(into: row): try sink.row(row)
      case .resolved: try observer?.resolved(frame.text() ?? "")
      case .note: try observer?.note(frame.text() ?? "")
      default: throw ControlClient.misread
      }
    }
  }

  func append(_ request: PublishRequest) throws(Diagnostic) -> PublishOutcome {
    try socket.send(WireFrame(request))
    var outcome: PublishOutcome?
    try answers { frame throws(Diagnostic) in
      var frame = frame
      guard frame.kind == .outcome, let published = frame.number(), let repeats = frame.number(),
        let end = frame.number()
      else { throw ControlClient.misread }
      outcome = PublishOutcome(
        published: Int(published), repeats: Int(repeats), end: Position(UInt64(end)))
    }
    guard let outcome else { throw ControlClient.misread }
    return outcome
  }

  func export(_ request: ExportRequest, to sink: any ByteSink) throws(Diagnostic) {
    try socket.send(WireFrame(request))
    try answers { frame throws(Diagnostic) in
      var frame = frame
      guard frame.kind == .bytes, let topic = frame.text().flatMap(TopicName.init), let bytes = frame.bytes()
      else {
        throw ControlClient.misread
      }
      try sink.write(Array(bytes), topic: topic)
    }
  }

  /// Hands over every frame up to `done`; throws what the other side threw.
  private func answers(_ take: (WireFrame) throws(Diagnostic) -> Void) throws(Diagnostic) {
    while true {
      guard var frame = try socket.receive() else {
        throw Diagnostic(
          code: HostCode.connection.code, "the running moontide ended in the middle of the answer",
          details: [.init("help", "run the command again: it then works on the files")])
      }
      switch frame.kind {
      case .done: return
      case .diagnostic: throw frame.diagnostic() ?? ControlClient.misread
      default: try take(frame)
      }
    }
  }

  private static var misread: Diagnostic {
    Diagnostic(
      code: HostCode.versions.code, "the running moontide answers in a way that this one does not understand",
      details: [.init("help", "both processes must be of the same version: stop the run and start it again")])
  }
}
