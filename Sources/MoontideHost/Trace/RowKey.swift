import MoontideCore
import MoontideJSON
import MoontideRuntime
import MoontideSQLite

/// The row that a person names: a table of a projection, and the values of its key as they were typed.
struct RowKey {
  let definition: HandlerDefinition
  /// Index into the definition's tables.
  let table: Int
  private let words: [Word]

  private struct Word {
    var text: String
    var bytes: [UInt8]
    var integer: Int64?
    var real: Double?
    var isNull = false

    init(_ text: String) {
      self.text = text
      bytes = Array(text.utf8)
      integer = Int64(text)
      real = Double(text)
    }

    init(_ value: JSONValue) {
      switch value {
      case .string(let text): self.init(text)
      case .integer(let number): self.init(String(number))
      case .number(let number): self.init(number.description)
      case .null:
        self.init("null")
        isNull = true
      case .boolean, .array, .object: self.init(value.compact)
      }
    }

    func matches(_ cell: Cell, _ source: [UInt8]) -> Bool {
      switch cell.kind {
      case .absent: false
      case .null: isNull
      case .integer: cell.bits == integer
      case .real: cell.real == real
      case .text, .blob: source[cell.part.indices].elementsEqual(bytes)
      }
    }
  }

  /// - Parameters:
  ///   - name: `orders`, or `order_status.orders`.
  ///   - words: of the key, one a column, or one JSON list.
  /// - Throws: `noSuchTable` with the candidates, `rowKey` with the columns of the key.
  init(
    table name: String, key words: [String], among definitions: [HandlerDefinition]
  ) throws(Diagnostic) {
    (definition, table) = try Self.find(name, among: definitions.filter { $0.kind == .projection })
    let shape = definition.tables[table]
    let columns = shape.keyColumns.map { shape.columns[$0] }
    var found = words.map { Word($0) }
    if words.count == 1, words[0].hasPrefix("["), let values = Self.list(words[0]),
      columns.count > 1 || values.count == 1
    {
      found = values.map { Word($0) }
    }
    guard found.count == max(1, columns.count) else {
      let wanted = columns.isEmpty ? "its rowid" : columns.joined(separator: ", ")
      throw Diagnostic(
        .rowKey, "a row of \(shape.name) is named by \(wanted), got \(Counted.text(found.count, "value"))",
        help: "moontide why \(name) "
          + (columns.isEmpty ? ["ROWID"] : columns.map { $0.uppercased() }).joined(separator: " "))
    }
    self.words = found
  }

  /// The values of a JSON list; nil of any other text, which is itself a value.
  private static func list(_ text: String) -> [JSONValue]? {
    do throws(EnvelopeFault) {
      guard case .array(let values) = try JSONValue(parsing: text) else { return nil }
      return values
    } catch { return nil }
  }

  private static func find(
    _ name: String, among projections: [HandlerDefinition]
  ) throws(Diagnostic) -> (HandlerDefinition, Int) {
    var found: [(HandlerDefinition, Int)] = []
    let wanted = name.lowercased()
    for definition in projections {
      for (index, table) in definition.tables.enumerated() {
        let own = table.name.lowercased()
        if own == wanted || "\(definition.name.lowercased()).\(own)" == wanted {
          found.append((definition, index))
        }
      }
    }
    if found.count == 1 { return found[0] }
    guard found.isEmpty else {
      let candidates = found.map { "\($0.0.name).\($0.0.tables[$0.1].name)" }.sorted()
      throw Diagnostic(
        .noSuchTable, "\(name) is in several read models",
        help: "say which: \(candidates.joined(separator: " or "))")
    }
    let all = projections.flatMap { definition in
      definition.tables.map { [$0.name, "\(definition.name).\($0.name)"] }.flatMap(\.self)
    }
    let near = Suggestion.nearest(to: name, among: all)
    let names = projections.flatMap { one in one.tables.map { "\(one.name).\($0.name)" } }.sorted()
    throw Diagnostic(
      .noSuchTable, "there is no table \(name) in the read models",
      help: near.map { "did you mean \($0)?" }
        ?? (names.isEmpty
          ? "the project has no projection" : "there are \(names.prefix(20).joined(separator: ", "))"))
  }

  var shape: StoreTable { definition.tables[table] }
  /// `o-77`, or `o-77, 3`.
  var text: String { words.map(\.text).joined(separator: ", ") }

  /// Whether a row, from that cell on, has the key.
  func matches(_ change: RowChange, at start: Int?, _ watch: RowWatch) -> Bool {
    guard let start else { return false }
    if shape.keyColumns.isEmpty { return change.rowID != nil && change.rowID == words[0].integer }
    for (word, column) in zip(words, shape.keyColumns)
    where !word.matches(watch.cells.cells[start + column], watch.cells.bytes) {
      return false
    }
    return true
  }

  /// The row among those that scripts read.
  var read: Int {
    let buffer = RowBuffer()
    for word in words {
      if word.isNull { buffer.cells.append(.null) } else { buffer.append(text: word.text) }
    }
    return RowRead.key(table, buffer.cells[...], buffer.bytes)
  }

  /// The key of a row in bytes that are the same for the same key only.
  func identity(_ change: RowChange, at start: Int?, _ watch: RowWatch) -> [UInt8]? {
    guard let start, !shape.keyColumns.isEmpty else { return nil }
    var bytes: [UInt8] = []
    for column in shape.keyColumns {
      watch.cells.encode(start + column..<start + column + 1, into: &bytes)
    }
    return bytes
  }
}
