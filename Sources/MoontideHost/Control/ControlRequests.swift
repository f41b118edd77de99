import MoontideCore

/// Requests as frames, both ways; the order of fields is the format.
extension WireFrame {
  init(_ request: QueryRequest) {
    self.init(.query)
    put(request.sql)
    put(Int64(request.timeout / .milliseconds(1)))
    put(Int64(request.rowsMax))
    put(request.after.map { Int64($0.value) } ?? -1)
  }

  mutating func queryRequest() -> QueryRequest? {
    guard let sql = text(), let milliseconds = number(), let rows = number(), let after = number() else {
      return nil
    }
    return QueryRequest(
      sql, timeout: .milliseconds(milliseconds), rowsMax: Int(rows),
      after: after < 0 ? nil : Position(UInt64(after)))
  }

  init(_ request: PublishRequest) {
    self.init(.append)
    put(request.topic.text)
    put(request.lines)
  }

  mutating func publishRequest() -> PublishRequest? {
    guard let topic = text().flatMap(TopicName.init), let lines = bytes() else { return nil }
    return PublishRequest(topic: topic, lines: Array(lines))
  }

  init(_ request: ExportRequest) {
    self.init(.export)
    put(request.topic?.text ?? "")
    put(request.recorded ? 1 : 0)
  }

  mutating func exportRequest() -> ExportRequest? {
    guard let topic = text(), let recorded = number() else { return nil }
    return ExportRequest(topic: TopicName(topic), recorded: recorded == 1)
  }

  init(_ request: ReloadRequest) {
    self.init(.reload)
    put(request.approve ? 1 : 0)
  }

  mutating func reloadRequest() -> ReloadRequest? { number().map { ReloadRequest(approve: $0 == 1) } }

  /// Each row, then each problem.
  static func frames(of report: ReloadReport) -> [WireFrame] {
    let rows = report.rows.map { row in
      var frame = WireFrame(.row)
      for text in [row.kind, row.name, row.change, row.version, row.follows] { frame.put(text) }
      return frame
    }
    return rows
      + report.problems.map { problem in
        var frame = WireFrame(problem)
        frame.kind = .problem
        return frame
      }
  }

  /// Adds what it says; false when it is neither a row nor a problem.
  mutating func add(to report: inout ReloadReport) -> Bool {
    if kind == .problem, let problem = diagnostic() {
      report.problems.append(problem)
      return true
    }
    guard kind == .row, let kind = text(), let name = text(), let change = text(), let version = text(),
      let follows = text()
    else { return false }
    report.rows.append(.init(kind: kind, name: name, change: change, version: version, follows: follows))
    return true
  }
}
