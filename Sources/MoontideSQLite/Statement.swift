import CSQLite
import MoontideCore

/// A prepared statement. Bound bytes are borrowed (SQLITE_STATIC): they must live until `reset`, and every
/// use binds all parameters anew.
final class Statement {
  let handle: OpaquePointer
  /// Every keeper of a statement keeps its connection too.
  private unowned(unsafe) let connection: Connection

  init(_ handle: OpaquePointer, of connection: Connection) {
    self.handle = handle
    self.connection = connection
  }

  deinit { sqlite3_finalize(handle) }

  /// A place for the bytes of an empty text: a null pointer would bind NULL.
  nonisolated(unsafe) static let nothing: UnsafePointer<UInt8> = {
    let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
    byte.initialize(to: 0)
    return UnsafePointer(byte)
  }()

  /// Binds a cell to parameter `index` (from 1); `bytes` is what its part points into. Absent binds NULL.
  /// Throws where SQLite refuses: also a value of a statement whose time was over before it began.
  @inline(__always)
  func bind(_ index: Int, _ cell: Cell, _ bytes: UnsafePointer<UInt8>) throws(StoreError) {
    let place = Int32(truncatingIfNeeded: index)
    let code: Int32
    switch cell.kind {
    case .absent, .null: code = sqlite3_bind_null(handle, place)
    case .integer: code = sqlite3_bind_int64(handle, place, cell.bits)
    case .real: code = sqlite3_bind_double(handle, place, cell.real)
    case .text:
      let start = UnsafeRawPointer(bytes + Int(cell.part.start)).assumingMemoryBound(to: CChar.self)
      code = sqlite3_bind_text(handle, place, start, Int32(cell.part.count), nil)
    case .blob:
      code = sqlite3_bind_blob(handle, place, bytes + Int(cell.part.start), Int32(cell.part.count), nil)
    }
    if code != SQLITE_OK { throw connection.failure(code) }
  }

  @inline(__always)
  func bind(_ index: Int, _ value: Int64) {
    sqlite3_bind_int64(handle, Int32(truncatingIfNeeded: index), value)
  }

  /// Binds a copy: for what is not on the hot path.
  func bind(_ index: Int, text: String) {
    var text = text
    text.withUTF8 { buffer in
      let start = buffer.baseAddress ?? Statement.nothing
      let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
      _ = UnsafeRawPointer(start).withMemoryRebound(to: CChar.self, capacity: max(1, buffer.count)) {
        sqlite3_bind_text(handle, Int32(index), $0, Int32(buffer.count), transient)
      }
    }
  }

  /// Binds a copy of bytes as a blob.
  func bind(_ index: Int, blob: [UInt8]) {
    blob.withUnsafeBufferPointer { buffer in
      let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
      _ = sqlite3_bind_blob(
        handle, Int32(index), buffer.baseAddress ?? Statement.nothing, Int32(buffer.count), transient)
    }
  }

  /// True when there is a row; false at the end. After an error the statement is reset.
  @inline(__always)
  func step() throws(StoreError) -> Bool {
    let code = sqlite3_step(handle)
    if code == SQLITE_ROW { return true }
    if code == SQLITE_DONE { return false }
    throw failed(code)
  }

  private func failed(_ code: Int32) -> StoreError {
    let error = connection.failure(code)
    sqlite3_reset(handle)
    return error
  }

  /// Ends a use. The error of the last step, if any, was already thrown by it.
  @inline(__always)
  func reset() { sqlite3_reset(handle) }

  /// Steps a statement that gives no rows, and resets it.
  @inline(__always)
  func finish() throws(StoreError) {
    while try step() {}
    reset()
  }

  var columnCount: Int { Int(sqlite3_column_count(handle)) }
  var parameterCount: Int { Int(sqlite3_bind_parameter_count(handle)) }
  var columnNames: [String] {
    (0..<columnCount).map { index in
      sqlite3_column_name(handle, Int32(index)).map { String(cString: $0) } ?? ""
    }
  }

  func integer(_ column: Int) -> Int64 { sqlite3_column_int64(handle, Int32(column)) }
  func isNull(_ column: Int) -> Bool { sqlite3_column_type(handle, Int32(column)) == SQLITE_NULL }
  func text(_ column: Int) -> String { String(decoding: bytes(column), as: UTF8.self) }

  /// A copy of a text or blob.
  func bytes(_ column: Int) -> [UInt8] {
    let start = sqlite3_column_blob(handle, Int32(column))
    let count = Int(sqlite3_column_bytes(handle, Int32(column)))
    guard let start, count > 0 else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  }

  /// Appends the current row: one cell a column.
  func read(into row: RowBuffer) {
    for column in 0..<sqlite3_column_count(handle) {
      row.cells.append(cell(column, into: &row.bytes))
    }
  }

  private func cell(_ column: Int32, into bytes: inout [UInt8]) -> Cell {
    switch sqlite3_column_type(handle, column) {
    case SQLITE_INTEGER: return .integer(sqlite3_column_int64(handle, column))
    case SQLITE_FLOAT: return .real(sqlite3_column_double(handle, column))
    case SQLITE_NULL: return .null
    case let type:
      let start = sqlite3_column_blob(handle, column)
      let count = Int(sqlite3_column_bytes(handle, column))
      let part = ByteRange(start: bytes.count, count: count)
      if let start, count > 0 {
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count))
      }
      return Cell(kind: type == SQLITE_TEXT ? .text : .blob, part: part)
    }
  }
}

/// Cells and the bytes they point into, borrowed for one call.
struct CellSpan {
  let cells: UnsafePointer<Cell>
  let count: Int
  let bytes: UnsafePointer<UInt8>

  @inline(__always)
  subscript(_ index: Int) -> Cell { cells[index] }

  @inline(__always)
  func dropping(_ first: Int) -> CellSpan {
    CellSpan(cells: cells + first, count: count - first, bytes: bytes)
  }

  /// A bit for every column that is named, of the first `width` cells.
  @inline(__always)
  func mask(_ width: Int) -> UInt64 {
    var mask: UInt64 = 0
    for index in 0..<width where cells[index].kind != .absent { mask |= 1 << UInt64(index) }
    return mask
  }
}

extension RowBuffer {
  @inline(__always)
  func withSpan<R>(_ body: (CellSpan) throws(StoreError) -> R) throws(StoreError) -> R {
    try cells.withUnsafeBufferPointer { (cells) throws(StoreError) -> R in
      try bytes.withUnsafeBufferPointer { (bytes) throws(StoreError) -> R in
        guard let first = cells.baseAddress else {
          var none = Cell.absent
          return try withUnsafePointer(to: &none) { (none) throws(StoreError) -> R in
            try body(CellSpan(cells: none, count: 0, bytes: bytes.baseAddress ?? Statement.nothing))
          }
        }
        return try body(
          CellSpan(cells: first, count: cells.count, bytes: bytes.baseAddress ?? Statement.nothing))
      }
    }
  }
}
