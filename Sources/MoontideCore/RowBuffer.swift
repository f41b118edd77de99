/// One value of a row, a query or a call: what SQLite and Lua have in common.
@frozen public struct Cell: Sendable, Hashable {
  @frozen public enum Kind: UInt8, Sendable {
    /// Not mentioned: the column keeps its value or takes its default.
    case absent = 0
    case null = 1
    case integer = 2
    case real = 3
    case text = 4
    case blob = 5
  }

  public var kind: Kind
  /// The integer, or the bit pattern of the real.
  public var bits: Int64
  /// Of text and blob: a part of the buffer's bytes.
  public var part: ByteRange

  @inlinable public init(kind: Kind, bits: Int64 = 0, part: ByteRange = .empty) {
    self.kind = kind
    self.bits = bits
    self.part = part
  }

  @inlinable public static var absent: Cell { Cell(kind: .absent) }
  @inlinable public static var null: Cell { Cell(kind: .null) }
  @inlinable public static func integer(_ value: Int64) -> Cell { Cell(kind: .integer, bits: value) }
  @inlinable public static func real(_ value: Double) -> Cell {
    Cell(kind: .real, bits: Int64(bitPattern: value.bitPattern))
  }
  @inlinable public var real: Double { Double(bitPattern: UInt64(bitPattern: bits)) }
}

/// Cells and the bytes they name: reused from call to call, owned by one thread. Several rows lie one after
/// another; the caller knows the width.
///
/// Exclusive access is not checked at run time: each operation of a script passes through several rooms, and
/// the checks took a tenth of its time. One thread owns a buffer, and no call keeps an access open over
/// another that changes it.
public final class RowBuffer {
  @exclusivity(unchecked) public var cells: [Cell] = []
  @exclusivity(unchecked) public var bytes: [UInt8] = []

  public init() {}

  @inlinable public func removeAll() {
    if unsafe !cells.isEmpty { unsafe cells.removeAll(keepingCapacity: true) }
    if unsafe !bytes.isEmpty { unsafe bytes.removeAll(keepingCapacity: true) }
  }

  public func append(text: String) {
    let part = unsafe bytes.appendPart(text)
    unsafe cells.append(Cell(kind: .text, part: part))
  }

  /// The text of cell `index`, or nil when it is not text or a blob.
  public func text(_ index: Int) -> String? {
    let cell = unsafe cells[index]
    return cell.kind == .text || cell.kind == .blob ? unsafe bytes.text(cell.part) : nil
  }
}
