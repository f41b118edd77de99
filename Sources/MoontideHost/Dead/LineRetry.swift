import FoundationEssentials
import MoontideCore
import MoontideJSON
import MoontideRuntime

/// Takes quarantined lines again after their file, or what they must be like, was mended. A line that became
/// an event, was known all along, or is gone, is settled by a record in the log; others stay as they are.
struct LineRetry {
  let project: MoontideProject
  let bell: Bell

  /// What a line's place holds now.
  private enum Now {
    case line([UInt8])
    /// Blank.
    case empty
    /// A packed file that was damaged is sound.
    case sound
    /// Nothing can be read there: why.
    case unreadable(String)
  }

  func run(
    _ lines: [QuarantineReader.Line], _ request: DeadRequest, to answer: DeadAnswer
  ) throws(Diagnostic) {
    var settled: [Position] = []
    for (line, now) in try places(lines, request) {
      let (isSettled, result, detail) = try take(line, now, request)
      if isSettled { settled.append(line.position) }
      try answer.add(line.id, "ingest", result, detail)
    }
    try DecisionWriter(log: project.log, randomness: project.randomness).write(
      DecisionWriter.split(.settle, settled, reason: request.reason, data: []).map {
        (Decision.linesKey, $0)
      })
  }

  func rehearse(
    _ lines: [QuarantineReader.Line], _ request: DeadRequest, to answer: DeadAnswer
  ) throws(Diagnostic) {
    for (line, now) in try places(lines, request) {
      switch now {
      case _ where request.action == .skip: try answer.add(line.id, "ingest", "would be skipped", "")
      case .line(let bytes):
        let fault = fault(of: bytes, isCommand: topic(line) == .commands)
        try answer.add(
          line.id, "ingest", fault == nil ? "would be taken" : "would stay bad",
          fault ?? "unless the log has its id with another body")
      case .empty, .sound: try answer.add(line.id, "ingest", "would be settled", "")
      case .unreadable(let why): try answer.add(line.id, "ingest", "would stay bad", why)
      }
    }
  }

  /// What is wrong with a line; nil when it is an event, or a command.
  private func fault(of line: [UInt8], isCommand: Bool) -> String? {
    let padded = line + [UInt8](repeating: 0, count: Limits.parserPaddingBytes)
    let part = ByteRange(start: 0, count: line.count)
    do throws(EnvelopeFault) {
      let batch = DraftBatch()
      try EnvelopeParser().parse(padded, part, topic: TopicID(0), into: batch)
      if isCommand { try Command.complete(batch, catalog: project.catalog) }
      return nil
    } catch { return error.reason }
  }

  private func take(
    _ line: QuarantineReader.Line, _ now: Now, _ request: DeadRequest
  ) throws(Diagnostic) -> (isSettled: Bool, result: String, detail: String) {
    if request.action == .skip { return (true, "skipped", "") }
    switch now {
    case .empty: return (true, "settled", "\(line.note.file):\(line.note.line) is empty now")
    case .sound: return (true, "settled", "\(line.note.file) is sound now; the next run reads it")
    case .unreadable(let why): return (false, "bad", why)
    case .line(let bytes):
      do throws(Diagnostic) {
        let partitions = project.settings.partitions
        let outcome = try EventPublisher(
          log: project.log, catalog: project.catalog, partitions: { partitions[$0] },
          published: { [bell] in bell.ring() }
        ).publish(PublishRequest(topic: topic(line), lines: bytes + [UInt8(ascii: "\n")]))
        return outcome.published > 0
          ? (true, "taken", "it is an event now") : (true, "settled", "the log has this event already")
      } catch {
        guard error.code.hasPrefix("E02") else { throw error }
        return (false, "bad", error.title)
      }
    }
  }

  /// `events/orders/a.jsonl` feeds `orders`, `events/a.jsonl` the topic `events`; `commands/` has commands.
  private func topic(_ line: QuarantineReader.Line) -> TopicName {
    let parts = line.note.file.split(separator: "/")
    if parts.first == "commands" { return .commands }
    return parts.count > 2 ? TopicName(String(parts[1])) ?? .events : .events
  }

  // MARK: What the files say now

  private func places(
    _ lines: [QuarantineReader.Line], _ request: DeadRequest
  ) throws(Diagnostic) -> [(QuarantineReader.Line, Now)] {
    if request.action == .skip { return lines.map { ($0, .empty) } }
    if request.action == .correct { return lines.map { ($0, .line(request.data)) } }
    let files = EventDirectory(
      path: project.paths.events, commands: project.paths.commands, files: project.files
    ).scan().files
    var found: [(QuarantineReader.Line, Now)] = []
    for (name, group) in Dictionary(grouping: lines, by: \.note.file).sorted(by: { $0.key < $1.key }) {
      let wanted = Set(group.map(\.note.line))
      var texts: [UInt64: [UInt8]] = [:]
      var fault: String?
      if let file = files.first(where: { $0.name == name }) {
        do throws(SourceFault) { texts = try read(file, wanted) } catch { fault = reason(error, name) }
      }
      for line in group { found.append((line, now(line, texts[line.note.line], fault))) }
    }
    return found
  }

  private func reason(_ fault: SourceFault, _ name: String) -> String {
    switch fault {
    case .file(let error): "\(error.operation) of \(name) failed: \(error.reason)"
    case .corrupt(let reason): "\(name) is damaged: \(reason)"
    }
  }

  /// The file's line; where the file has none any more, the line as it was kept, if all of it was.
  private func now(_ line: QuarantineReader.Line, _ text: [UInt8]?, _ fault: String?) -> Now {
    if let fault { return .unreadable(fault) }
    if line.note.code == EnvelopeRule.compression.code { return .sound }
    let kept = [UInt8](Data(base64Encoded: line.note.rawBase64) ?? Data())
    guard let bytes = text ?? (kept.count == Int(line.note.lineBytes) ? kept : nil) else {
      return .unreadable("its file is gone, and only the beginning of the line was kept")
    }
    return bytes.allSatisfy { [0x20, 0x09, 0x0D].contains($0) } ? .empty : .line(bytes)
  }

  private func read(_ file: SourceFile, _ wanted: Set<UInt64>) throws(SourceFault) -> [UInt64: [UInt8]] {
    let handle = try FileCursor.open(file, project.files)
    let source: any ByteSource = file.isGzip ? try GzipSource(handle) : PlainSource(handle, from: 0)
    let reader = LineReader(source, from: 0, head: [])
    var texts: [UInt64: [UInt8]] = [:]
    while texts.count < wanted.count {
      if let line = reader.next() {
        if wanted.contains(line.number) {
          texts[line.number] = line.head ?? Array(reader.chunk[line.range.indices])
        }
      } else if try reader.fill() == 0 {
        if let line = reader.last(), wanted.contains(line.number) {
          texts[line.number] = Array(reader.chunk[line.range.indices])
        }
        break
      }
    }
    return texts
  }
}
