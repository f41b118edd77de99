public import MoontideCore

/// What a query can name: the read models and their tables.
public struct QueryCatalog: Sendable {
  public struct Model: Sendable {
    /// The projection's name, which is its schema in SQL.
    public var name: String
    public var path: String
    /// Names of its tables and views.
    public var tables: [String]
    /// Its tables are found by `name.table` alone: it stands beside another one with the same tables.
    public var isNamedOnly: Bool
    public init(name: String, path: String, tables: [String], isNamedOnly: Bool = false) {
      self.name = name
      self.path = path
      self.tables = tables
      self.isNamedOnly = isNamedOnly
    }
  }

  public var models: [Model]
  public init(_ models: [Model] = []) { self.models = models }

  func model(_ name: String) -> Model? {
    let lower = name.lowercased()
    return models.first { $0.name.lowercased() == lower }
  }

  /// The models that have a table of that name.
  func models(with table: String) -> [Model] {
    let lower = table.lowercased()
    return models.filter { !$0.isNamedOnly && $0.tables.contains { $0.lowercased() == lower } }
  }
}

/// Why a query gave no rows, or stopped.
public enum QueryError: Error, Sendable, Equatable {
  /// SQLite's text; the byte in the SQL that it speaks of, if known; a name that may have been meant.
  case wrong(message: String, byteOffset: Int?, suggestion: String?)
  /// A table's name without its schema is in several: `candidates` are written out, `a.orders`.
  case ambiguous(name: String, candidates: [String])
  /// More databases than SQLite attaches at once (`Limits.attachedMax`).
  case tooManyModels(limit: Int)
  case timedOut(after: Duration)
  case cancelled
  case tooManyRows(limit: Int)
  case tooManyBytes(limit: Int)
  /// Sorting, grouping or compiling takes more memory than a query may have.
  case tooMuchMemory(limit: Int)
  case store(StoreError)

  /// Whether a file could not be opened or read, which another look may find in its place.
  public var isOfFile: Bool {
    if case .store(.io) = self { true } else { false }
  }

  /// Whether the query came to a bound of its own, whatever else went wrong by that.
  public var isOwnEnd: Bool {
    switch self {
    case .timedOut, .cancelled, .tooMuchMemory: true
    default: false
    }
  }
}
