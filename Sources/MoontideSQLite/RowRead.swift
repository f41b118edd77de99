public import MoontideCore

/// What a script learned of the rows of one of its tables.
public struct RowRead: Sendable, Hashable {
  /// Index into the store's tables.
  public var table: Int
  /// Of the row, as `key` makes it; nil: of any number of them.
  public var key: Int?
  /// Without a key: of those that matched some values, each of which is told too. Else of the whole table.
  public var isOfMatching = false

  public init(table: Int, key: Int?, isOfMatching: Bool = false) {
    self.table = table
    self.key = key
    self.isOfMatching = isOfMatching
  }

  /// The same for the same key in this process, whatever kind a column makes of it: `5` and `'5'` are one.
  public static func key(_ table: Int, _ cells: ArraySlice<Cell>, _ bytes: [UInt8]) -> Int {
    var hasher = Hasher()
    hasher.combine(table)
    for cell in cells {
      switch cell.kind {
      case .absent, .null: hasher.combine(0)
      case .integer: for byte in String(cell.bits).utf8 { hasher.combine(byte) }
      case .real:
        let text = Int64(exactly: cell.real).map { String($0) } ?? cell.real.description
        for byte in text.utf8 { hasher.combine(byte) }
      case .text, .blob: for byte in bytes[cell.part.indices] { hasher.combine(byte) }
      }
      hasher.combine(-1)
    }
    return hasher.finalize()
  }
}
