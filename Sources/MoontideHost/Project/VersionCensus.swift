import MoontideCore
import MoontideRuntime

/// How many stored events there are of each type and version, up to a position: kept in `.moontide/census`,
/// so that the next look counts on from there. Derived and deletable.
///
/// Lines of text: `moontide census 1`, `log MARK`, `position N`, then `count N VERSION TYPE` by type and
/// version, at last `end CRC32C` of all bytes before that line.
struct VersionCensus: Equatable {
  /// Of the log that it counts.
  var mark: Int32
  /// Everything before it is counted.
  var position = Position.start
  var counts: [String: [UInt32: UInt64]] = [:]

  init(mark: Int32) { self.mark = mark }

  /// Counts on to the end of the log, or until the deadline; false when it did not come to the end.
  mutating func count(_ log: any EventLog, until isOver: () -> Bool) throws(LogError) -> Bool {
    // By the bytes of the type: no text is built per event.
    var found: [[UInt8]: [UInt32: UInt64]] = [:]
    let batch = RecordBatch()
    let end = log.durableEnd
    while position < end, !isOver() {
      position = try log.read(
        from: position, records: Limits.readRecordsDeepMax, bytes: Limits.readBytesDeepMax, into: batch)
      for record in batch.records where record.envelope.kind == .event {
        found[Array(batch.bytes[record.envelope.type.indices]), default: [:]][
          record.envelope.version, default: 0] += 1
      }
    }
    for (type, versions) in found {
      counts[String(decoding: type, as: UTF8.self), default: [:]].merge(versions, uniquingKeysWith: +)
    }
    return position >= end
  }

  var text: String {
    var lines = ["moontide census 1", "log \(mark)", "position \(position.value)"]
    for (type, versions) in counts.sorted(by: { $0.key < $1.key }) {
      for (version, count) in versions.sorted(by: { $0.key < $1.key }) {
        lines.append("count \(count) \(version) \(type)")
      }
    }
    return SealedLines.text(lines)
  }

  /// Nil for what is no sound census: one that a power cut tore says nothing.
  init?(text: String) {
    guard let lines = SealedLines.words(of: text) else { return nil }
    guard lines.count >= 3, lines[0] == ["moontide", "census", "1"], lines[1].count == 2,
      let mark = Int32(lines[1][1]), lines[2].count == 2, let position = UInt64(lines[2][1])
    else { return nil }
    self.mark = mark
    self.position = Position(position)
    for line in lines[3...] {
      guard line.count == 4, let count = UInt64(line[1]), let version = UInt32(line[2]) else { return nil }
      counts[line[3], default: [:]][version] = count
    }
  }

  /// The one that was kept of this log, or a new one.
  static func read(_ paths: ProjectPaths, log: any EventLog, mark: Int32, _ files: any FileSystem)
    throws(FileError) -> VersionCensus
  {
    guard try files.status(paths.census) != nil,
      let kept = VersionCensus(
        text: String(
          decoding: try files.contents(paths.census, bytesMax: Limits.censusBytesMax), as: UTF8.self)),
      kept.mark == mark, kept.position <= log.durableEnd
    else { return VersionCensus(mark: mark) }
    return kept
  }

  func write(_ paths: ProjectPaths, _ files: any FileSystem) throws(FileError) {
    try files.createDirectory(paths.cache)
    try files.replace(paths.census, with: Array(text.utf8))
  }
}
