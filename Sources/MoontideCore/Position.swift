/// The place of a record in the total order over the log: 0 for the first, dense, never reused.
///
/// As an end it is exclusive: "up to position 5" holds the records 0 to 4.
public struct Position: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var value: UInt64

  public init(_ value: UInt64) { self.value = value }

  public static let start = Position(0)

  /// The position right after this one.
  public var next: Position { Position(value + 1) }

  public static func < (a: Position, b: Position) -> Bool { a.value < b.value }

  /// `#48211`, as commands and errors show it.
  public var description: String { "#\(value)" }
}

/// The place of a record in its partition: 0 for the first, dense.
public struct Offset: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var value: UInt64

  public init(_ value: UInt64) { self.value = value }

  public static func < (a: Offset, b: Offset) -> Bool { a.value < b.value }

  public var description: String { "\(value)" }
}
