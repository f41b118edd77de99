import MoontideCore

/// Who writes event files and publishes events, with a note of all that was written and acknowledged. The
/// world is not on the simulated process's side: what it wrote stays.
final class OutsideWorld {
  enum LineKind {
    case good(PaidEvent)
    case bad
    case blank
  }
  struct Line {
    var offset: UInt64
    var kind: LineKind
  }
  struct SourceText {
    let path: String
    let topic: String
    var inode: UInt64 = 0
    /// Unpacked, those that are still to be written included.
    var bytes: UInt64 = 0
    var lines: [Line] = []
    /// The rest of what was begun, and the lines that are whole with it.
    var rest: (lines: [Line], bytes: [UInt8])?
    /// Blanks behind each event, so that a file outgrows the beginning by which it is known.
    var padding = 0
    var isPacked: Bool { path.hasSuffix(".gz") }
  }

  /// The packed file.
  static let packed = "p/events/d.jsonl.gz"

  private let numbers: SeededNumbers
  private let disk: SimulatedDisk
  private(set) var sources: [SourceText]
  /// By their data.
  private(set) var events: [String: PaidEvent] = [:]
  /// What people put in the place of an event's data, by that data.
  private(set) var corrections: [String: PaidEvent] = [:]
  /// What anyone may repeat, in the order of writing.
  private var known: [PaidEvent] = []
  /// What a client was told is in the log.
  private(set) var acknowledged: [PaidEvent] = []
  /// How often an event stands in a line or was published.
  private var mentions: [String: Int] = [:]
  private var count = 0

  init(_ disk: SimulatedDisk, _ numbers: SeededNumbers) {
    self.disk = disk
    self.numbers = numbers
    sources = [
      SourceText(path: "p/events/a.jsonl", topic: "events"),
      SourceText(path: "p/events/b.jsonl", topic: "events"),
      SourceText(path: "p/events/pay/c.jsonl", topic: "pay"),
      SourceText(path: Self.packed, topic: "events"),
    ]
    for index in sources.indices where numbers.chance(sources[index].isPacked ? 0.7 : 0.3) {
      sources[index].padding = 100 + numbers.below(500)
    }
  }

  private func fresh(topic: String, prefix: String, id: String? = nil, key: String? = nil) -> PaidEvent {
    count += 1
    let event = PaidEvent(
      topic: topic, id: id ?? "\(prefix)-\(count)",
      key: key ?? "\(topic == "pay" ? "q" : "k")\(numbers.below(5))",
      number: count, numbers)
    events[event.data] = event
    known.append(event)
    return event
  }

  private func old(topic: String) -> PaidEvent? {
    let some = known.suffix(40).filter { $0.topic == topic }
    return some.isEmpty ? nil : numbers.pick(some)
  }

  /// Other data for an event, at which nothing fails.
  func correct(_ event: PaidEvent) -> String {
    count += 1
    let corrected = event.corrected(number: count, amount: numbers.below(1_000))
    corrections[corrected.data] = corrected
    return corrected.data
  }

  private func mention(_ event: PaidEvent) { mentions["\(event.topic) \(event.id)", default: 0] += 1 }

  /// Whether the identity was named in one place only, so that its position follows its line.
  func isOnce(_ event: PaidEvent) -> Bool { mentions["\(event.topic) \(event.id)"] == 1 }

  // MARK: Files

  /// Appends some lines to one of the files, maybe the last one only in part.
  func write() {
    let index = numbers.below(sources.count)
    if sources[index].isPacked { return writeMember(to: index) }
    for _ in 0..<1 + numbers.below(5) { writeLine(to: index) }
  }

  /// Ends the lines that were begun.
  func finish() {
    for index in sources.indices { finishLine(of: index) }
  }

  private func finishLine(of index: Int) {
    guard let rest = sources[index].rest else { return }
    sources[index].rest = nil
    put(rest.bytes, to: index)
    sources[index].lines += rest.lines
  }

  private func put(_ bytes: [UInt8], to index: Int) {
    sources[index].inode = disk.append(bytes, to: sources[index].path)
  }

  /// Some whole lines as a member of their own, maybe only a part of it for now.
  private func writeMember(to index: Int) {
    finishLine(of: index)
    var contents: [UInt8] = []
    var lines: [Line] = []
    for _ in 0..<1 + numbers.below(5) {
      let (line, bytes) = nextLine(of: index)
      lines.append(line)
      contents += bytes
    }
    write(PackedLines.member(contents), lines, to: index)
  }

  private func writeLine(to index: Int) {
    finishLine(of: index)
    let (line, bytes) = nextLine(of: index)
    write(bytes, [line], to: index)
  }

  private func write(_ bytes: [UInt8], _ lines: [Line], to index: Int) {
    guard numbers.chance(0.1) else {
      put(bytes, to: index)
      sources[index].lines += lines
      return
    }
    let cut = numbers.below(bytes.count)
    put(Array(bytes[..<cut]), to: index)
    sources[index].rest = (lines, Array(bytes[cut...]))
  }

  /// A line with its newline; it counts as written.
  private func nextLine(of index: Int) -> (Line, [UInt8]) {
    let topic = sources[index].topic
    let (kind, text) = line(topic)
    let line = Line(offset: sources[index].bytes, kind: kind)
    var bytes = Array(text.utf8)
    if case .good(let event) = kind {
      mention(event)
      bytes += [UInt8](repeating: UInt8(ascii: " "), count: sources[index].padding)
    }
    if numbers.chance(0.1) { bytes.append(UInt8(ascii: "\r")) }
    bytes.append(UInt8(ascii: "\n"))
    sources[index].bytes += UInt64(bytes.count)
    return (line, bytes)
  }

  private func line(_ topic: String) -> (LineKind, String) {
    let dice = numbers.below(20)
    if dice == 0 {
      return (.bad, numbers.pick(["{\"id\":\"x\",", "no json", "{\"id\":7,\"type\":\"Paid\"}", "[]"]))
    }
    if dice == 1 { return (.blank, numbers.pick(["", "  "])) }
    if dice < 4, let event = old(topic: topic) { return (.good(event), event.line) }
    if dice == 4, let other = old(topic: topic) {
      let event = fresh(topic: topic, prefix: "f", id: other.id, key: other.key)
      return (.good(event), event.line)
    }
    let event = fresh(topic: topic, prefix: "f")
    return (.good(event), event.line)
  }

  // MARK: Clients

  /// Publishes some events as a client does, and notes them once it is told that they are durable. Throws
  /// what the log says.
  func publish(to log: any EventLog) throws(LogError) {
    var batch: [PaidEvent] = []
    for _ in 0..<1 + numbers.below(3) {
      if numbers.chance(0.15), let event = old(topic: "events") {
        if !batch.contains(where: { $0.id == event.id }) { batch.append(event) }
      } else {
        batch.append(fresh(topic: "events", prefix: "c"))
      }
    }
    let topic = try log.topic(.events, partitions: nil).id
    let drafts = DraftBatch()
    for event in batch {
      drafts.add(event, topic)
      mention(event)
    }
    guard case .written(let written) = try log.append(AppendRequest(batch: drafts)) else { return }
    try log.flush()
    if log.durableEnd >= written.durableWhen { acknowledged += batch }
  }
}

extension DraftBatch {
  fileprivate func add(_ event: PaidEvent, _ topic: TopicID) {
    var envelope = Envelope(given: [.key])
    envelope.id = bytes.appendPart(event.id)
    envelope.type = bytes.appendPart("Paid")
    envelope.key = bytes.appendPart(event.key)
    envelope.data = bytes.appendPart(event.data)
    let body = BodyDigest.digest(of: envelope, in: bytes, data: envelope.data, in: bytes)
    drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }
}
