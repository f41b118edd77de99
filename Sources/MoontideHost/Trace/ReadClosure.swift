import MoontideCore
import MoontideSQLite

/// Finds the events without which those that wrote a row would not have written it so: they wrote rows that
/// were read for it. Only what is told of them is needed, so that folding the found events alone gives the
/// row again; in doubt there is one more.
final class ReadClosure {
  /// What one event did; parts of the lists behind.
  private struct Entry {
    var position: Position
    var writes: Range<Int>
    var reads: Range<Int>
  }

  private var entries: [Entry] = []
  private var writes: [(table: Int, key: Int?)] = []
  private var reads: [RowRead] = []

  func take(_ event: TracedEvent, _ watch: RowWatch) {
    guard !event.changes.isEmpty else { return }
    let (firstWrite, firstRead) = (writes.count, reads.count)
    for change in watch.changes[event.changes] {
      let (old, new) = (watch.key(change, at: change.old), watch.key(change, at: change.new))
      writes.append((change.table, new ?? old))
      if let old, let new, old != new { writes.append((change.table, old)) }
    }
    reads += watch.reads[event.reads]
    entries.append(
      Entry(
        position: event.position, writes: firstWrite..<writes.count, reads: firstRead..<reads.count))
  }

  /// The positions of all events that are needed for a row, those that wrote it among them, rising.
  /// - Parameter row: as `RowRead` has it.
  func events(for row: Int) -> [Position] {
    // Up to which entry a row, or a table, has to be as it was.
    var needed: [Int: Int] = [row: entries.count]
    var whole: [Int: Int] = [:]
    var matched: [Int: Int] = [:]
    func raise(_ limits: inout [Int: Int], _ key: Int, to end: Int) -> Bool {
      guard end > limits[key] ?? 0 else { return false }
      limits[key] = end
      return true
    }
    var isIn = [Bool](repeating: false, count: entries.count)
    var isGrowing = true
    while isGrowing {
      isGrowing = false
      for index in entries.indices.reversed() where !isIn[index] {
        let isNeeded = writes[entries[index].writes].contains { write in
          let end = write.key.map { needed[$0] ?? 0 } ?? matched[write.table] ?? 0
          return index < max(end, whole[write.table] ?? 0)
        }
        guard isNeeded else { continue }
        isIn[index] = true
        isGrowing = true
        for read in reads[entries[index].reads] {
          if let key = read.key {
            _ = raise(&needed, key, to: index)
          } else if read.isOfMatching {
            _ = raise(&matched, read.table, to: index)
          } else {
            _ = raise(&whole, read.table, to: index)
          }
        }
      }
      // A row that is only half there might match where the whole one did not.
      for index in entries.indices where isIn[index] {
        for write in writes[entries[index].writes] {
          guard let key = write.key, let end = matched[write.table], index < end else { continue }
          if raise(&needed, key, to: end) { isGrowing = true }
        }
      }
    }
    return entries.indices.filter { isIn[$0] }.map { entries[$0].position }
  }
}
