public import MoontideCore

/// What a change of a script does to a read model: both versions hold the same events.
public struct DiffReport: Sendable {
  /// One of the two.
  public struct Version: Sendable, Hashable {
    /// The projection; a renamed one has two names.
    public var name: String
    /// Where it is from: `the live read model`, `handlers/orders.lua`.
    public var origin: String
    /// As `handlers` shows it.
    public var scriptVersion: String
    /// Events that it handled.
    public var applied: UInt64 = 0
    /// Where it halts, at an event that it set aside, while the other goes on; the first position behind.
    public var halted: Position?
  }

  public var old: Version
  public var new: Version
  /// The first position that neither of them holds.
  public var end: Position
  /// Those that differ, in the order of the new schema; those that are gone last.
  public var tables: [TableDifference] = []
  /// How many tables and views were compared, and how many rows they have, of the larger side.
  public var compared: (tables: Int, rows: UInt64) = (0, 0)
  public var letters = LetterDifferences()
  public var subscriptions: [SubscriptionDifference] = []
  /// Differing rows whose first event was searched, of how many.
  public var traced: (rows: UInt64, of: UInt64) = (0, 0)
  /// What a person should know of it.
  public var notes: [String] = []
  /// Fields that no event has, asked for by the new script.
  public var warnings: [Diagnostic] = []

  /// Whether there is anything to tell of.
  public var isDifferent: Bool {
    !tables.isEmpty || letters.count > 0 || !subscriptions.isEmpty || old.halted != nil || new.halted != nil
  }
}

/// The event after which something differs.
public struct FirstEvent: Sendable, Hashable {
  public var position: Position
  /// As written.
  public var time: String
  public var type: String
  public var key: String
  public var id: String
}

/// One table or view in which two versions differ.
public struct TableDifference: Sendable {
  public enum Presence: String, Sendable {
    case both, onlyOld, onlyNew
  }

  public var name: String
  public var isView: Bool
  public var presence: Presence
  /// Of either side; 0 where it is not there.
  public var rows: (old: UInt64, new: UInt64) = (0, 0)
  /// Names of the columns that rows are matched by; empty: by all values that both sides have.
  public var key: [String] = []
  /// Whether the versions have different keys: their rows are then matched by all values.
  public var isRekeyed = false
  /// Whether what makes it reads differently, beside columns that came or went.
  public var isRedefined = false
  public var added: UInt64 = 0
  public var removed: UInt64 = 0
  /// Rows of which a column that both have differs.
  public var changed: UInt64 = 0
  /// Those that differ, in the order of the new table; those that are gone last.
  public var columns: [ColumnDifference] = []
  public var addedRows: [RowSample] = []
  public var removedRows: [RowSample] = []
  /// The first of each kind that is known.
  public var firstAdded: FirstEvent?
  public var firstRemoved: FirstEvent?
  public var firstChanged: FirstEvent?
  /// Why its rows were not compared.
  public var fault: String?

  /// The first of all that is known.
  public var first: FirstEvent? {
    [firstAdded, firstRemoved, firstChanged].compactMap { $0 }.min { $0.position < $1.position }
  }

  /// Rows that differ.
  public var differing: UInt64 { added + removed + changed }

  var isDifferent: Bool {
    presence != .both || differing > 0 || isRedefined || isRekeyed || fault != nil
      || columns.contains { $0.presence != .both }
  }
}

/// A column of a table.
public struct ColumnDifference: Sendable {
  public var name: String
  public var presence: TableDifference.Presence
  /// Of one that both have: rows in which it differs. Of another: how many values are not NULL.
  public var count: UInt64
  public var first: FirstEvent?
  /// Of one that both have.
  public var samples: [CellSample] = []
}

/// A value that differs.
public struct CellSample: Sendable, Hashable {
  public var key: [StoredValue]
  public var old: StoredValue
  public var new: StoredValue
  public var first: FirstEvent?
}

/// A row that only one version has.
public struct RowSample: Sendable, Hashable {
  /// Empty in a table without a key.
  public var key: [StoredValue]
  /// Of the columns that both versions have.
  public var values: [Value]
  public var first: FirstEvent?

  public struct Value: Sendable, Hashable {
    public var column: String
    public var value: StoredValue
  }
}

/// Events that one version sets aside as dead letters and the other does not, or for another reason.
public struct LetterDifferences: Sendable {
  public struct Sample: Sendable, Hashable {
    public var event: FirstEvent
    /// Code and message; nil: this version handles it.
    public var old: String?
    public var new: String?
  }

  /// Set aside by the new version alone.
  public var added: UInt64 = 0
  /// Set aside by the old one alone.
  public var removed: UInt64 = 0
  /// Set aside by both, for different reasons.
  public var changed: UInt64 = 0
  /// The first ones of each kind, by position.
  public var samples: [Sample] = []

  public var count: UInt64 { added + removed + changed }
}

/// Events of one type that one version handles and the other does not.
public struct SubscriptionDifference: Sendable, Hashable {
  /// A type, or `topics`.
  public var subject: String
  /// What either side handles: a count of stored events, or names of topics.
  public var old: String
  public var new: String
  /// Stored events that it is about.
  public var events: UInt64
}
