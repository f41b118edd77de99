public import MoontideCore

extension RowBuffer {
  /// Whether cell `index` is the same value of the same kind in both: 1, 1.0 and '1' are three.
  public func hasSame(_ index: Int, as other: RowBuffer) -> Bool {
    let (one, two) = (cells[index], other.cells[index])
    guard one.kind == two.kind else { return false }
    switch one.kind {
    case .absent, .null: return true
    case .integer, .real: return one.bits == two.bits
    case .text, .blob: return bytes[one.part.indices] == other.bytes[two.part.indices]
    }
  }

  /// Below 0, 0 or above: how SQLite orders two values in one column without a collation of its own: NULL,
  /// numbers by value, text by bytes, blobs by bytes. <https://www.sqlite.org/datatype3.html#sort_order>
  /// - Parameter kinds: also tells an integer from a real of the same value, the integer first.
  public func order(_ index: Int, against other: RowBuffer, kinds: Bool) -> Int {
    let (one, two) = (cells[index], other.cells[index])
    let (first, second) = (one.kind.sortClass, two.kind.sortClass)
    if first != second { return first - second }
    switch first {
    case 0: return 0
    case 1:
      let order = RowBuffer.order(one, two)
      guard order == 0, kinds, one.kind != two.kind else { return order }
      return one.kind == .integer ? -1 : 1
    default:
      let (left, right) = (bytes[one.part.indices], other.bytes[two.part.indices])
      if left == right { return 0 }
      return left.lexicographicallyPrecedes(right) ? -1 : 1
    }
  }

  private static func order(_ one: Cell, _ two: Cell) -> Int {
    switch (one.kind, two.kind) {
    case (.integer, .integer): one.bits < two.bits ? -1 : one.bits > two.bits ? 1 : 0
    case (.integer, _): order(one.bits, two.real)
    case (_, .integer): -order(two.bits, one.real)
    default: one.real < two.real ? -1 : one.real > two.real ? 1 : 0
    }
  }

  /// Exact where a real cannot hold the integer: as `sqlite3IntFloatCompare` of SQLite's vdbeaux.c.
  private static func order(_ integer: Int64, _ real: Double) -> Int {
    if real < -9_223_372_036_854_775_808 { return 1 }
    if real >= 9_223_372_036_854_775_808 { return -1 }
    let whole = Int64(real)
    if integer != whole { return integer < whole ? -1 : 1 }
    let back = Double(integer)
    return back < real ? -1 : back > real ? 1 : 0
  }
}

extension Cell.Kind {
  /// Values of one class are compared with each other.
  fileprivate var sortClass: Int {
    switch self {
    case .absent, .null: 0
    case .integer, .real: 1
    case .text: 2
    case .blob: 3
    }
  }
}
