public import MoontideCore
import MoontideSQLite

/// The answer of `RowHistory`: how a row came to be what it is.
public struct RowStory: Sendable {
  public var projection: String
  public var table: String
  /// The key as it was asked for.
  public var key: String
  /// By which everything was folded.
  public var scriptVersion: String
  /// Every event before it was looked at.
  public var end: Position
  /// The projection stops at what fails, and stopped there.
  public var isHalted: Bool
  /// In order; of very many the last ones.
  public var writes: [RowWrite]
  /// How many writes lie before the first of `writes`.
  public var left: Int
  /// Events that did not write the row, but wrote other rows that were read for it, in order: with those of
  /// `writes` they alone give the row again.
  public var needed: [EventName] = []
  /// The row at the end, by column; nil when there is none.
  public var values: [(column: String, value: RowValue)]?
  /// The key that the row has now, when it was changed.
  public var movedTo: String?

  init(_ collection: WriteCollection, end: Position, isHalted: Bool) {
    let row = collection.row
    projection = row.definition.name
    table = row.shape.name
    key = row.text
    scriptVersion = row.definition.scriptVersion
    self.end = end
    self.isHalted = isHalted
    writes = collection.writes
    left = collection.left
    values = collection.values.map { Array(zip(row.shape.columns, $0)).map { (column: $0, value: $1) } }
    movedTo = collection.movedTo
  }

  /// Whether any event ever wrote it.
  public var everWas: Bool { !writes.isEmpty }

  /// One row a column that an event changed, one where it changed none; one with the operation `read` for an
  /// event that wrote what was read for it.
  public func rows(to sink: any RowSink) throws(Diagnostic) {
    try sink.columns([
      "position", "time", "type", "key", "id", "handler", "script", "file", "line", "operation", "column",
      "old", "new",
    ])
    let row = RowBuffer()
    var others = needed[...]
    for write in writes {
      while let other = others.first, other.position < write.position {
        try tell(other, row, to: sink)
        others.removeFirst()
      }
      for change in write.changes.isEmpty ? [nil] : write.changes.map(Optional.some) {
        row.removeAll()
        row.cells.append(.integer(Int64(clamping: write.position.value)))
        for text in [write.event.time, write.event.type, write.event.key, write.event.id, projection] {
          row.append(text: text)
        }
        row.append(text: scriptVersion)
        if let file = write.file {
          row.append(text: file)
          row.cells.append(.integer(Int64(write.line)))
        } else {
          row.cells += [.null, .null]
        }
        row.append(text: write.operation)
        if let column = change?.column { row.append(text: column) } else { row.cells.append(.null) }
        (change?.old ?? .null).append(to: row)
        (change?.new ?? .null).append(to: row)
        try sink.row(row)
      }
    }
    for other in others { try tell(other, row, to: sink) }
  }

  /// An event that wrote what was read.
  private func tell(_ event: EventName, _ row: RowBuffer, to sink: any RowSink) throws(Diagnostic) {
    row.removeAll()
    row.cells.append(.integer(Int64(clamping: event.position.value)))
    for text in [event.time, event.type, event.key, event.id, projection, scriptVersion] {
      row.append(text: text)
    }
    row.cells += [.null, .null]
    row.append(text: "read")
    row.cells += [.null, .null, .null]
    try sink.row(row)
  }

  /// For people. Values of the row are the answer and are shown; those of events only when they were asked
  /// for.
  /// - Parameter isWhole: all writes, however many there are.
  public func text(isWhole: Bool = false) -> String {
    let name = "\(table) \(key) of \(projection)"
    let upTo = "up to \(end), script \(scriptVersion)" + (isHalted ? ", where it stopped" : "")
    guard everWas else { return "\(name): no event ever wrote such a row (\(upTo))\n" }
    let events = Set(writes.map(\.position)).count
    var lines = [
      "\(name): \(Counted.text(events, "event")) wrote it"
        + (left > 0 ? ", and \(left) writes before them" : "") + " (\(upTo))"
    ]
    let half = Limits.whyWritesShown / 2
    let isCut = !isWhole && writes.count > Limits.whyWritesShown
    for (index, write) in writes.enumerated() {
      if isCut, index >= half, index < writes.count - half {
        if index == half { lines += ["", "… \(writes.count - 2 * half) writes more (-v shows all)"] }
        continue
      }
      lines.append("")
      lines += Self.lines(write)
    }
    if !needed.isEmpty {
      let shown = needed.prefix(isWhole ? needed.count : Limits.whyNeededShown)
      let more = needed.count - shown.count
      lines += [
        "", "what they read in other rows was written by \(Counted.text(needed.count, "other event")):",
      ]
      lines += shown.map { "    \($0.position)  \($0.time)  \($0.type)  key \($0.key)  id \($0.id)" }
      if more > 0 { lines.append("    … \(more) more (-v shows all)") }
    }
    lines.append("")
    if let last = writes.last, values == nil {
      lines.append(
        movedTo.map { "there is no such row now: \(last.position) gave it the key \($0)" }
          ?? "there is no such row now: \(last.position) deleted it")
    } else if let values {
      lines.append("it is now  " + values.map { "\($0.column) \($0.value.shown)" }.joined(separator: ", "))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func lines(_ write: RowWrite) -> [String] {
    let event = write.event
    let place = write.file.map { "\($0):\(write.line)" } ?? "?"
    var lines = [
      "\(write.position)  \(event.time)  \(event.type)\(event.remark)  key \(event.key)  id \(event.id)",
      "    \(write.operation) at \(place)",
    ]
    lines += write.lines.map { "      " + $0 }
    if let data = event.data { lines.append("      event data  \(data)") }
    return lines
  }
}
