import MoontideCore

@testable import MoontideLog
@testable import Simulation

/// Edits the segment of a sound log and opens it. What comes out is a beginning of what was there; and where
/// a header that is still whole says that something had been durable, its loss is told, never passed over.
enum RecoveryFuzz {
  private struct Template {
    var bytes: [UInt8]
    var ids: [String]
    /// First byte and durable batches of every batch's header.
    var batches: [(start: Int, durable: UInt64)]
  }
  private static let path = "l/log/segments/00000000000000000000.log"

  private static func open(_ disk: SimulatedDisk) throws(LogError) -> SegmentedLog {
    try SegmentedLog(
      directory: "l/log", files: disk.files(), clock: SimulatedClock(), randomness: SeededNumbers(5))
  }

  private static func emptyDisk() -> SimulatedDisk {
    let disk = SimulatedDisk(SeededNumbers(1))
    for directory in ["l", "l/log", "l/log/segments", "l/log/index"] { disk.make(directory: directory) }
    return disk
  }

  private static func ids(_ log: SegmentedLog) throws(LogError) -> [String] {
    let batch = RecordBatch()
    var ids: [String] = []
    var at = Position.start
    while at < log.durableEnd {
      at = try log.read(from: at, records: 100, bytes: 1 << 20, into: batch)
      ids += batch.records.map { batch.bytes.text($0.envelope.id) }
    }
    return ids
  }

  private static let template: Template = {
    let disk = emptyDisk()
    let world = OutsideWorld(disk, SeededNumbers(3))
    do throws(LogError) {
      let log = try open(disk)
      for _ in 0..<4 { try world.publish(to: log) }
      let bytes = disk.bytes(path) ?? []
      var batches: [(start: Int, durable: UInt64)] = []
      let identity = LogIdentity(
        Digest(high: bytes.number(UInt64.self, at: 16), low: bytes.number(UInt64.self, at: 24)))
      var at = SegmentHeader.bytes
      while at < bytes.count, let header = BatchHeader.decode(bytes, at: at, log: identity) {
        batches.append((at, header.durableBatches))
        at += header.totalBytes
      }
      precondition(batches.count >= 5 && at == bytes.count, "\(batches) of \(bytes.count) bytes")
      return Template(bytes: bytes, ids: try ids(log), batches: batches)
    } catch { preconditionFailure("the template: \(error)") }
  }()

  static func run(_ input: [UInt8]) {
    guard input.count >= 3 else { return }
    var bytes = template.bytes
    var edit = 1
    while edit + 2 < input.count {
      let at = (Int(input[edit]) << 8 | Int(input[edit + 1])) % bytes.count
      bytes[at] ^= input[edit + 2]
      edit += 3
    }
    if input[0] & 1 == 1 { bytes.removeLast((Int(input[0]) << 8 | Int(input[1])) % bytes.count) }
    let changed =
      zip(bytes, template.bytes).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? bytes.count
    let disk = emptyDisk()
    _ = disk.append(bytes, to: path)
    do throws(LogError) {
      let found = try ids(try open(disk))
      precondition(found == Array(template.ids.prefix(found.count)), "records became others")
      if bytes == template.bytes { precondition(found == template.ids, "a sound log lost records") }
      judge(bytes, changed, found.count)
    } catch {
      precondition(bytes != template.bytes, "a sound log was refused: \(error)")
    }
  }

  /// An opening that went well has lost nothing that a whole header behind the damage proves.
  private static func judge(_ bytes: [UInt8], _ changed: Int, _ count: Int) {
    guard changed < bytes.count, let hit = template.batches.lastIndex(where: { $0.start <= changed }) else {
      return
    }
    for batch in template.batches where batch.start > changed {
      let end = batch.start + BatchHeader.bytes
      guard end <= bytes.count, bytes[batch.start..<end] == template.bytes[batch.start..<end] else {
        continue
      }
      precondition(batch.durable <= UInt64(hit), "batch \(hit) was durable and is gone without a word")
    }
  }
}
