import MoontideCore
import MoontideSQLite

/// Gathers the writes of one row in one pass over the log: under the key that a person named, and under those
/// that the row had before its key was changed.
final class WriteCollection {
  /// A key that the row had, up to the event that changed it.
  private struct Alias: Hashable {
    var key: [UInt8]
    var last: Position
  }

  private struct Rename {
    var from: [UInt8]
    var to: [UInt8]
    var position: Position
  }

  let row: RowKey
  private let withData: Bool
  private let aliases: [Alias]
  private(set) var writes: [RowWrite] = []
  /// Writes before the first of `writes`, which are too many to be kept.
  private(set) var left = 0
  private(set) var setAside = 0
  private var renames: [Rename] = []
  /// The key that was asked for, as rows have it.
  private var asked: [UInt8]?
  /// Whether an event that wrote the row read another one.
  private(set) var hasReadOthers = false
  /// The row as the last write left it; nil when that took it away or moved it to another key.
  private(set) var values: [RowValue]?
  private(set) var movedTo: String?

  init(_ row: RowKey, withData: Bool) {
    self.row = row
    self.withData = withData
    aliases = []
  }

  private init(_ row: RowKey, withData: Bool, aliases: [Alias]) {
    self.row = row
    self.withData = withData
    self.aliases = aliases
  }

  /// Whether a change is of the row, or of a key.
  func isWanted(_ change: RowChange, _ watch: RowWatch) -> Bool {
    if row.matches(change, at: change.old, watch) || row.matches(change, at: change.new, watch) {
      return true
    }
    if aliases.isEmpty, change.operation != .update { return false }
    let old = row.identity(change, at: change.old, watch)
    let new = row.identity(change, at: change.new, watch)
    if change.operation == .update, old != new { return true }
    return aliases.contains { $0.key == old || $0.key == new }
  }

  func take(_ event: TracedEvent, _ watch: RowWatch) {
    if case .setAside = event.outcome { setAside += 1 }
    let before = writes.count
    defer {
      if writes.count > before, !hasReadOthers {
        hasReadOthers = watch.reads[event.reads].contains { $0.key != row.read }
      }
    }
    for change in watch.changes[event.changes] {
      let isOld = row.matches(change, at: change.old, watch)
      let isNew = row.matches(change, at: change.new, watch)
      let old = row.identity(change, at: change.old, watch)
      let new = row.identity(change, at: change.new, watch)
      if change.operation == .update, let old, let new, old != new,
        renames.count < Limits.whyRenamesMax
      {
        renames.append(Rename(from: old, to: new, position: event.position))
      }
      let isAlias = aliases.contains {
        ($0.key == old || $0.key == new) && event.position <= $0.last
      }
      guard isOld || isNew || isAlias else { continue }
      keep(RowWrite(change, of: EventName(event, withData: withData), watch))
      guard isOld || isNew else { continue }
      asked = isNew ? new : old
      values = isNew ? watch.row(change, at: change.new).map { RowValue($0, watch.cells.bytes) } : nil
      movedTo = isOld && !isNew ? key(change, watch) : nil
    }
  }

  /// Another pass, with the keys that the row had before; nil when it had none that are not known.
  func followingKeys() -> WriteCollection? {
    guard aliases.isEmpty, var key = asked else { return nil }
    var found: [Alias] = []
    for rename in renames.reversed() where rename.to == key {
      found.append(Alias(key: rename.from, last: rename.position))
      key = rename.from
    }
    return found.isEmpty ? nil : WriteCollection(row, withData: withData, aliases: found)
  }

  private func keep(_ write: RowWrite) {
    // The oldest go by halves, so that making room costs little.
    if writes.count >= Limits.whyWritesMax * 2 {
      left += Limits.whyWritesMax
      writes.removeFirst(Limits.whyWritesMax)
    }
    writes.append(write)
  }

  private func key(_ change: RowChange, _ watch: RowWatch) -> String? {
    guard let start = change.new else { return nil }
    return row.shape.keyColumns.map {
      RowValue(watch.cells.cells[start + $0], watch.cells.bytes).shown
    }.joined(separator: ", ")
  }
}
