/// What one statement did to one row of a projection. Its cells are of the `RowWatch` that saw it.
public struct RowChange: Sendable, Hashable {
  public enum Operation: String, Sendable {
    case insert, update, delete
  }

  /// Index into the store's tables.
  public var table: Int
  public var operation: Operation
  /// Of a table that has them; the row of a table without a key is known by it. After the change, of a row
  /// that is still there.
  public var rowID: Int64?
  /// The row before: the watch's cells from here on, one a column of the table. Nil when there was none.
  /// A cell is `absent` where the table does not keep the value (FTS5 without content).
  public var old: Int?
  /// The row after; nil when it is gone.
  public var new: Int?
  /// The line of the script that wrote it; an index into the watch's `lines`, -1 when it is not known.
  public var line: Int
}

/// A line of a script.
public struct ScriptLine: Sendable, Hashable {
  /// Relative to the project.
  public var path: String
  /// From 1.
  public var line: Int

  public init(path: String, line: Int) {
    self.path = path
    self.line = line
  }
}
