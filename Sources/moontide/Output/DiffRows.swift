import MoontideCore
import MoontideHost

/// A report of what a changed script does as rows of one width, for machines. See the help of `projection
/// diff` for what they say.
struct DiffRows {
  private static let columns = [
    "table", "change", "column", "rows", "key", "old", "new", "first_position", "first_time", "first_type",
    "first_key", "first_id",
  ]

  private let printer: RowPrinter

  init(_ options: GlobalOptions) { printer = options.rowPrinter(columns: Self.columns) }

  /// - Parameter report: nil: no rows.
  func print(_ report: DiffReport?) throws(OutputClosed) {
    if let report {
      try versions(report)
      for table in report.tables { try print(table) }
      try letters(report.letters)
    }
    try printer.finish()
  }

  /// What one row says; what is nil is NULL.
  private struct Line {
    var table: String?
    var change: String
    var column: String?
    var rows: UInt64?
    var key: StoredValue = .null
    var old: StoredValue = .null
    var new: StoredValue = .null
    var first: FirstEvent?
  }

  private func put(_ line: Line) throws(OutputClosed) {
    let row = RowBuffer()
    func add(_ text: String?) { (text.map { StoredValue.text($0) } ?? .null).append(to: row) }
    func add(_ count: UInt64?) { (count.map { StoredValue.integer(Int64($0)) } ?? .null).append(to: row) }
    add(line.table)
    add(line.change)
    add(line.column)
    add(line.rows)
    line.key.append(to: row)
    line.old.append(to: row)
    line.new.append(to: row)
    add(line.first?.position.value)
    add(line.first?.time)
    add(line.first?.type)
    add(line.first?.key)
    add(line.first?.id)
    try printer.print(row)
  }

  private func versions(_ report: DiffReport) throws(OutputClosed) {
    for subject in report.subscriptions {
      try put(
        Line(
          change: "handled", rows: subject.events, key: .text(subject.subject), old: .text(subject.old),
          new: .text(subject.new)))
    }
    if report.old.halted != nil || report.new.halted != nil {
      let position = { (position: Position?) in
        position.map { StoredValue.integer(Int64($0.value)) } ?? .null
      }
      try put(
        Line(change: "halted", old: position(report.old.halted), new: position(report.new.halted)))
    }
  }

  private func print(_ table: TableDifference) throws(OutputClosed) {
    let name = table.name
    switch table.presence {
    case .onlyNew: return try put(Line(table: name, change: "table added", rows: table.rows.new))
    case .onlyOld: return try put(Line(table: name, change: "table removed", rows: table.rows.old))
    case .both: break
    }
    if table.isRedefined { try put(Line(table: name, change: "table redefined")) }
    if table.isRekeyed { try put(Line(table: name, change: "key changed")) }
    if let fault = table.fault { try put(Line(table: name, change: "not compared", new: .text(fault))) }
    let counts = [
      ("rows added", table.added, table.firstAdded), ("rows removed", table.removed, table.firstRemoved),
      ("rows changed", table.changed, table.firstChanged),
    ]
    for (change, count, first) in counts where count > 0 {
      try put(Line(table: name, change: change, rows: count, first: first))
    }
    for column in table.columns {
      let change =
        switch column.presence {
        case .both: "rows changed"
        case .onlyOld: "column removed"
        case .onlyNew: "column added"
        }
      try put(
        Line(table: name, change: change, column: column.name, rows: column.count, first: column.first))
    }
    for row in table.addedRows {
      try put(
        Line(
          table: name, change: "row added", key: DiffRows.key(row.key), new: DiffRows.json(row),
          first: row.first))
    }
    for row in table.removedRows {
      try put(
        Line(
          table: name, change: "row removed", key: DiffRows.key(row.key), old: DiffRows.json(row),
          first: row.first))
    }
    for column in table.columns {
      for cell in column.samples {
        try put(
          Line(
            table: name, change: "value changed", column: column.name, key: DiffRows.key(cell.key),
            old: cell.old, new: cell.new, first: cell.first))
      }
    }
  }

  private func letters(_ letters: LetterDifferences) throws(OutputClosed) {
    let counts = [("added", letters.added), ("removed", letters.removed), ("changed", letters.changed)]
    for (change, count) in counts where count > 0 {
      try put(Line(change: "dead letters \(change)", rows: count))
    }
    for sample in letters.samples {
      let change = sample.old == nil ? "added" : sample.new == nil ? "removed" : "changed"
      let text = { (text: String?) in text.map { StoredValue.text($0) } ?? .null }
      try put(
        Line(
          change: "dead letter \(change)", old: text(sample.old), new: text(sample.new), first: sample.event))
    }
  }

  /// One value as it is, several as a JSON list.
  private static func key(_ values: [StoredValue]) -> StoredValue {
    if values.isEmpty { return .null }
    if values.count == 1 { return values[0] }
    return .text("[" + values.map { json($0) }.joined(separator: ",") + "]")
  }

  private static func json(_ row: RowSample) -> StoredValue {
    .text(JSONText.object(row.values.map { (name: $0.column, value: json($0.value)) }))
  }

  private static func json(_ value: StoredValue) -> String {
    switch value {
    case .null: "null"
    case .integer(let number): String(number)
    case .real(let number): JSONText.number(number)
    case .text(let text): JSONText.string(text)
    case .blob(let bytes): JSONText.string(JSONText.base64(bytes[...]))
    }
  }
}
