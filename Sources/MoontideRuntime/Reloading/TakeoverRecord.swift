public import MoontideCore
import MoontideJSON

/// That a set of scripts took over: the record of kind `takeover` in the topic `_reloads`, of type
/// `ScriptsTakenUp`, its key `scripts`. It is durable before any of them handles anything.
///
/// `data` is one JSON object:
///
/// | member | what |
/// | --- | --- |
/// | `since` | when they were first at work, RFC 3339, where that was before the record; else missing |
/// | `scripts` | all files: `path`, and `content`, the id of the record that keeps the text |
/// | `definitions` | all: `kind`, `name`, `change`, `version`, `previous`, `was`, `store`, `files` |
///
/// A removed definition is named once, without a version; `store` is the file that an added one goes on with,
/// since it is back. Beside these records, one of type `ScriptKept`
/// holds the text of each file, under the digest of its content as id and key, so that each content is kept
/// once: its data is as `KeptText` writes it.
public struct TakeoverRecord: Sendable, Hashable {
  public struct Definition: Sendable, Hashable {
    public var entry: ScriptOutline.Entry
    public var change: ReloadPlan.Change
    public var previous: String?
    /// Below the project.
    public var store: String?
    public init(
      _ entry: ScriptOutline.Entry, _ change: ReloadPlan.Change, previous: String? = nil,
      store: String? = nil
    ) {
      self.entry = entry
      self.change = change
      self.previous = previous
      self.store = store
    }
  }

  public struct File: Sendable, Hashable {
    public var path: String
    public var content: Digest
    public init(path: String, content: Digest) {
      self.path = path
      self.content = content
    }
  }

  public var definitions: [Definition]
  public var files: [File]
  public var since: EventTime?
  /// Where the record lies; nil while it is in no log.
  public var position: Position?
  public var recorded: EventTime?

  static let takenUp = "ScriptsTakenUp"
  static let kept = "ScriptKept"
  static let key = Array("scripts".utf8)

  public init(definitions: [Definition], files: [File], since: EventTime? = nil) {
    self.definitions = definitions
    self.files = files
    self.since = since
  }

  /// What follows from a plan; definitions that it does not name stay as `before` has them.
  public init(_ plan: ReloadPlan, to outline: ScriptOutline, files: [File], before: TakeoverRecord?) {
    var definitions: [Definition] = plan.steps.map { step in
      let entry =
        step.change == .removed
        ? ScriptOutline.Entry(kind: step.kind, name: step.name, version: "", was: step.was)
        : outline[step.kind, step.name] ?? .init(kind: step.kind, name: step.name, version: "")
      return Definition(entry, step.change, previous: step.previous, store: step.store)
    }
    let told = Set(definitions.map { "\($0.entry.kind.rawValue) \($0.entry.name)" })
    let renamed = Set(plan.steps.compactMap { step in step.was.map { "\(step.kind.rawValue) \($0)" } })
    for one in before?.present ?? [] {
      let name = "\(one.kind.rawValue) \(one.name)"
      if !told.contains(name), !renamed.contains(name) { definitions.append(Definition(one, .same)) }
    }
    self.init(definitions: definitions, files: files)
  }

  /// The definitions that there are after it.
  public var present: [ScriptOutline.Entry] {
    definitions.filter { $0.change != .removed }.map(\.entry)
  }

  public var outline: ScriptOutline { ScriptOutline(present) }

  /// The digest that names a text.
  public static func content(of text: [UInt8]) -> Digest { Digest.zero.adding(text) }

  // MARK: JSON

  public var data: [UInt8] {
    var members: [JSONValue.Member] = []
    if let since { members.append(.init("since", .string(since.description))) }
    members.append(
      .init(
        "scripts",
        .array(
          files.map {
            .object([
              .init("path", .string($0.path)), .init("content", .string($0.content.description)),
            ])
          })))
    members.append(.init("definitions", .array(definitions.map(\.json))))
    var data: [UInt8] = []
    JSONValue.object(members).append(to: &data)
    return data
  }

  /// Nil for what is none.
  public init?(data: [UInt8]) {
    let json: JSONValue
    do throws(EnvelopeFault) { json = try JSONValue(parsing: data) } catch { return nil }
    guard case .array(let files)? = json["scripts"], case .array(let definitions)? = json["definitions"]
    else {
      return nil
    }
    self.init(
      definitions: definitions.compactMap(Definition.init),
      files: files.compactMap { file in
        guard let path = file["path"]?.text,
          let content = file["content"]?.text.flatMap({ Digest(hexadecimal: $0) })
        else { return nil }
        return File(path: path, content: content)
      },
      since: json["since"]?.text.flatMap { EventTime($0) })
  }

  // MARK: The log

  /// Appends it to `batch` as a draft.
  /// - Parameters:
  ///   - id: unlike that of any other takeover.
  ///   - topic: the log's number of `_reloads`.
  public func draft(id: String, topic: TopicID, into batch: DraftBatch) {
    TakeoverRecord.draft(Self.takenUp, id: Array(id.utf8), key: Self.key, data, topic, into: batch)
  }

  /// The same of a file's text.
  public static func draft(keeping text: [UInt8], topic: TopicID, into batch: DraftBatch) {
    let name = Array(content(of: text).description.utf8)
    draft(Self.kept, id: name, key: name, KeptText.data(of: text), topic, into: batch)
  }

  private static func draft(
    _ type: String, id: [UInt8], key: [UInt8], _ data: [UInt8], _ topic: TopicID, into batch: DraftBatch
  ) {
    var envelope = Envelope(kind: .takeover, given: [.key])
    envelope.id = batch.bytes.appendPart(id, id.whole)
    envelope.type = batch.bytes.appendPart(type)
    envelope.key = batch.bytes.appendPart(key, key.whole)
    envelope.data = batch.bytes.appendPart(data, data.whole)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }

  /// All of a log, in its order. One that is not readable is left out.
  public static func all(in log: any EventLog) throws(LogError) -> [TakeoverRecord] {
    guard let topic = log.topics().first(where: { $0.name == .reloads }) else { return [] }
    var found: [TakeoverRecord] = []
    let batch = RecordBatch()
    var version = 0
    while true {
      let next = try log.read(
        topic: topic.id, key: key, from: version, records: Limits.readRecordsMax, into: batch)
      if next == version { return found }
      version = next
      found += batch.records.compactMap { one($0, in: batch) }
    }
  }

  /// The last one of a log that is readable; nil without any. Reads few records, however many there are.
  public static func last(in log: any EventLog) throws(LogError) -> TakeoverRecord? {
    guard let topic = log.topics().first(where: { $0.name == .reloads }) else { return nil }
    let batch = RecordBatch()
    func reads(_ version: Int) throws(LogError) -> Bool {
      try log.read(topic: topic.id, key: key, from: version, records: 1, into: batch) != version
    }
    var (known, beyond) = (0, 1)
    while try reads(beyond - 1) { (known, beyond) = (beyond, beyond * 2) }
    while beyond - known > 1 {
      let middle = known + (beyond - known) / 2
      if try reads(middle - 1) { known = middle } else { beyond = middle }
    }
    for version in stride(from: known - 1, through: 0, by: -1) where try reads(version) {
      if let one = one(batch.records[0], in: batch) { return one }
    }
    return nil
  }

  private static func one(_ record: Record, in batch: RecordBatch) -> TakeoverRecord? {
    guard var one = TakeoverRecord(data: Array(batch.bytes[record.envelope.data.indices])) else { return nil }
    one.position = record.position
    one.recorded = EventTime(microseconds: record.recordedMicroseconds)
    return one
  }

  /// The text that has that digest; nil when the log does not keep it.
  public static func text(_ content: Digest, in log: any EventLog) throws(LogError) -> [UInt8]? {
    guard let topic = log.topics().first(where: { $0.name == .reloads }),
      let position = try log.position(
        of: .identity(topic: topic.id, source: [], id: Array(content.description.utf8))),
      position < log.durableEnd
    else { return nil }
    let batch = RecordBatch()
    _ = try log.read(from: position, records: 1, bytes: 1, into: batch)
    guard let record = batch.records.first else { return nil }
    return KeptText.text(of: Array(batch.bytes[record.envelope.data.indices]))
  }
}

extension TakeoverRecord.Definition {
  fileprivate var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("kind", .string(entry.kind.rawValue)), .init("name", .string(entry.name)),
      .init("change", .string(change.rawValue)),
    ]
    if change != .removed { members.append(.init("version", .string(entry.version))) }
    if let previous { members.append(.init("previous", .string(previous))) }
    if let was = entry.was { members.append(.init("was", .string(was))) }
    if let store { members.append(.init("store", .string(store))) }
    if change != .removed { members.append(.init("files", .array(entry.files.map { .string($0) }))) }
    return .object(members)
  }

  fileprivate init?(_ json: JSONValue) {
    guard let kind = json["kind"]?.text.flatMap(ScriptOutline.Kind.init), let name = json["name"]?.text,
      let change = json["change"]?.text.flatMap(ReloadPlan.Change.init)
    else { return nil }
    var files: [String] = []
    if case .array(let written)? = json["files"] { files = written.compactMap(\.text) }
    self.init(
      ScriptOutline.Entry(
        kind: kind, name: name, version: json["version"]?.text ?? "", was: json["was"]?.text, files: files),
      change, previous: json["previous"]?.text, store: json["store"]?.text)
  }
}
