public import MoontideCore
import MoontideSQLite

/// The last result of a REPL, `_` in SQL and in Lua: its first rows, within `Limits.replRowsKeptMax` and
/// `Limits.replBytesKeptMax`. One thread.
public final class KeptRows {
  /// As the statement called them.
  public let names: [String]
  /// Whole rows, one behind the other.
  public let cells = RowBuffer()
  public private(set) var count = 0
  /// Whether there were more.
  public private(set) var isCut = false

  public init(names: [String]) { self.names = names }

  public func add(_ row: RowBuffer) {
    guard count < Limits.replRowsKeptMax, cells.bytes.count + row.bytes.count <= Limits.replBytesKeptMax
    else {
      isCut = true
      return
    }
    let shift = UInt32(cells.bytes.count)
    cells.bytes += row.bytes
    for var cell in row.cells {
      cell.part.start += shift
      cells.cells.append(cell)
    }
    count += 1
  }

  /// Names that a table can have: none empty, none twice.
  var columns: [String] {
    var taken: Set<String> = []
    return names.enumerated().map { index, name in
      let wanted = name.isEmpty ? "column\(index + 1)" : name
      var unique = wanted
      var number = 2
      while !taken.insert(unique.lowercased()).inserted {
        unique = "\(wanted)_\(number)"
        number += 1
      }
      return unique
    }
  }

  /// Shows them as the table `_`.
  var table: any SystemTable {
    // Without an affinity values stay what they are.
    StaticSystemTable("_", columns: columns.map { SystemColumn($0, .blob) }) { [self] () throws(StoreError) in
      let width = names.count
      return (0..<count).map { row in (0..<width).map { cells.value(row * width + $0) } }
    }
  }
}

extension RowBuffer {
  /// The value of one cell.
  func value(_ index: Int) -> SystemValue {
    let cell = cells[index]
    return switch cell.kind {
    case .absent, .null: .null
    case .integer: .integer(cell.bits)
    case .real: .real(cell.real)
    case .text: .text(bytes.text(cell.part))
    case .blob: .blob(Array(bytes[cell.part.indices]))
    }
  }
}
