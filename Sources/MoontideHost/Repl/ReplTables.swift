public import MoontideCore
import MoontideSQLite

/// A table that a statement can name.
public struct ReplTable: Sendable, Hashable {
  /// The projection, or `sys`.
  public var schema: String
  public var name: String
  public var columns: [String]
}

extension ReplQueries {
  /// The tables of all read models, then those of `sys`; without columns where they cannot be read now.
  /// - Parameter system: whether to ask for the columns of system tables, which needs the project for a
  ///   moment when nobody runs it.
  public func tables(system: Bool) throws(Diagnostic) -> [ReplTable] {
    var tables: [ReplTable] = []
    for (schema, names) in try models() {
      for name in names {
        tables.append(ReplTable(schema: schema, name: name, columns: try columns(schema, name)))
      }
    }
    for name in SystemTables.names.subtracting(["sys"]).sorted() {
      tables.append(
        ReplTable(schema: "sys", name: name, columns: system ? try columns("sys", name) : []))
    }
    return tables
  }

  /// Read models with their tables and views.
  public func models() throws(Diagnostic) -> [(name: String, tables: [String])] {
    let paths = paths
    return try StoreError.told { () throws(StoreError) in
      try ModelListing(paths, SystemSurroundings.files).models.map { ($0.name, $0.tables) }
    }
  }

  /// How a table is made, as SQL: a statement of its schema, or the columns of a system table.
  public func definition(of table: ReplTable) throws(Diagnostic) -> String {
    guard table.schema != "sys" else {
      return "-- sys.\(table.name)(\(table.columns.joined(separator: ", ")))"
    }
    let texts = FirstTexts()
    try run(
      ReplQuestion(
        "select sql from \(Self.quoted(table.schema)).sqlite_schema where tbl_name = "
          + "'\(table.name.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''"))'"
          + " and sql is not null order by type <> 'table', name"), to: texts, observer: QuietObserver())
    return "-- \(table.schema).\(table.name)\n" + texts.texts.map { $0 + ";" }.joined(separator: "\n")
  }

  private func columns(_ schema: String, _ table: String) throws(Diagnostic) -> [String] {
    let heads = ColumnNames()
    var question = ReplQuestion("select * from \(Self.quoted(schema)).\(Self.quoted(table)) limit 0")
    question.rowsMax = 1
    try run(question, to: heads, observer: QuietObserver())
    return heads.names
  }

  /// A name as SQL writes it: in double quotes, quotes doubled.
  static func quoted(_ name: String) -> String {
    "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}

/// Takes the names alone.
private final class ColumnNames: RowSink {
  private(set) var names: [String] = []
  func columns(_ names: [String]) throws(Diagnostic) { self.names = names }
  func row(_ row: RowBuffer) throws(Diagnostic) {}
}

/// Takes the first value of each row.
private final class FirstTexts: RowSink {
  private(set) var texts: [String] = []
  func columns(_ names: [String]) throws(Diagnostic) {}
  func row(_ row: RowBuffer) throws(Diagnostic) { texts.append(row.text(0) ?? "") }
}
