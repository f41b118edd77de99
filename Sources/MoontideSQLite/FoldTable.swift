import MoontideCore

/// Row operations of one batch on one table, merged by key before they reach SQLite.
///
/// What comes out equals the operations done one by one: only values that SQLite stores as they are get in,
/// sums are of integers whose every partial sum fits, and any doubt asks for a flush and a plain statement.
final class FoldTable {
  enum Answer {
    case done(Bool)
    /// Do it as a plain statement; nothing pending is concerned.
    case direct
    /// Write what is pending, then do it as a plain statement.
    case flushFirst
  }

  private let width: Int
  /// Of the table's key and columns; freed with this object. Plain memory, since arrays are counted at each
  /// use.
  private let keyColumns: UnsafeMutableBufferPointer<Int>
  /// For each column a bit for each kind of cell that SQLite would store in it as it is.
  private let accepted: UnsafeMutablePointer<UInt8>
  private let keyMask: UInt64
  private let requiredMask: UInt64
  private let summable: UInt64
  private let rows: FoldRows
  /// How many operations the pending rows stand for.
  @exclusivity(unchecked) private(set) var merged = 0
  private var markedMerged = 0

  var count: Int { rows.count }
  var isLarge: Bool { rows.byteCount > Limits.foldedBytesMax }

  init(_ shape: TableShape) {
    precondition(shape.isFoldable, "\(shape.name) cannot be folded")
    width = shape.width
    rows = FoldRows(width: width)
    keyColumns = .allocate(capacity: shape.table.keyColumns.count)
    _ = keyColumns.initialize(from: shape.table.keyColumns)
    accepted = .allocate(capacity: width)
    keyMask = shape.keyMask
    requiredMask = shape.requiredMask
    var summable: UInt64 = 0
    for (index, column) in shape.columns.enumerated() {
      let bit: UInt64 = 1 << UInt64(index)
      let isKey = shape.keyMask & bit != 0
      accepted[index] = FoldTable.kinds(column.affinity, isKey: isKey, isNotNull: column.isNotNull)
      let isNumber = column.affinity == .integer || column.affinity == .numeric
      let startsSmall = column.defaultSQL.map { Int32($0) != nil || $0.lowercased() == "null" } ?? true
      if isNumber && startsSmall && !isKey { summable |= bit }
    }
    self.summable = summable
  }

  deinit {
    keyColumns.deallocate()
    accepted.deallocate()
  }

  /// The kinds that SQLite stores as they are, as bits. Two keys of these kinds are equal exactly when their
  /// bits or bytes are.
  private static func kinds(_ affinity: TableShape.Affinity, isKey: Bool, isNotNull: Bool) -> UInt8 {
    var kinds: [Cell.Kind] =
      switch affinity {
      case .integer, .numeric: [.integer]
      case .text: [.text]
      case .real: isKey ? [] : [.real]
      case .blob: [.integer, .text, .blob]
      }
    if !isKey && !isNotNull { kinds.append(.null) }
    return kinds.reduce(0) { $0 | 1 << $1.rawValue }
  }

  func removeAll() {
    rows.removeAll()
    merged = 0
  }

  /// Marks a place to come back to; a second call moves the mark.
  func mark() {
    rows.mark()
    markedMerged = merged
  }

  /// Whether rows were held back before the mark.
  var hasOlder: Bool { rows.markedCount > 0 }

  /// Takes away what came since the mark, so that what was before can be written, and then `forEach` of it.
  func takeSince() -> [FoldRows.Since] {
    let since = rows.since()
    rows.undo()
    return since
  }

  /// The changes since the mark, as `takeSince` gave them; nothing may come in between.
  func forEach(
    _ since: [FoldRows.Since], _ body: (CellSpan, UInt64, UInt64) throws(StoreError) -> Void
  ) throws(StoreError) {
    let cells = UnsafeMutablePointer<Cell>.allocate(capacity: width)
    defer { cells.deallocate() }
    for row in since {
      for column in 0..<width { (cells + column).initialize(to: row.cells[column]) }
      try body(CellSpan(cells: cells, count: width, bytes: rows.bytes), row.sets, row.adds)
    }
  }

  /// Goes back to the mark, which stays.
  func undo() {
    rows.undo()
    merged = markedMerged
  }

  /// The pending rows in the order of their first touch: cells by column, known columns, added columns.
  func forEach(_ body: (CellSpan, UInt64, UInt64) throws(StoreError) -> Void) throws(StoreError) {
    for index in 0..<rows.count {
      let span = CellSpan(cells: rows.row(index), count: width, bytes: rows.bytes)
      try body(span, rows.headers[index].sets, rows.headers[index].adds)
    }
  }

  @inline(__always)
  func run(_ operation: RowOperation, _ arguments: CellSpan, into result: RowBuffer) -> Answer {
    switch operation {
    case .put: return put(arguments)
    case .add: return add(arguments, arguments.dropping(keyColumns.count))
    case .update: return update(arguments, arguments.dropping(keyColumns.count))
    case .get: return get(arguments, result)
    case .delete, .each: return .flushFirst
    }
  }

  // MARK: Operations

  private func put(_ row: CellSpan) -> Answer {
    let mask = row.mask(width)
    guard mask & keyMask == keyMask, mask & requiredMask == requiredMask, accepts(row, mask) else {
      return .flushFirst
    }
    var hash = FoldTable.seed
    for column in keyColumns { FoldTable.mix(&hash, row[column], row.bytes) }
    var index = rows.find(hash) { own in
      for column in keyColumns where !isSame(own[column], row[column], row.bytes) { return false }
      return true
    }
    if index < 0 {
      index = rows.insert(hash, sets: keyMask)
      for column in keyColumns { rows.keep(row[column], row.bytes, at: rows.row(index) + column) }
    }
    store(row, mask & ~keyMask, at: index)
    merged += 1
    return .done(true)
  }

  private func add(_ key: CellSpan, _ row: CellSpan) -> Answer {
    let mask = row.mask(width)
    guard mask & ~summable == 0, requiredMask & ~(mask | keyMask) == 0, acceptsKey(key) else {
      return .flushFirst
    }
    var rest = mask
    var magnitude: UInt64 = 0
    while rest != 0 {
      let cell = row[rest.trailingZeroBitCount]
      guard cell.kind == .integer, cell.bits.magnitude < Limits.foldedSumMax else { return .flushFirst }
      magnitude += cell.bits.magnitude
      if magnitude >= Limits.foldedSumMax { return .flushFirst }
      rest &= rest - 1
    }
    let hash = hash(key)
    var index = find(hash, key)
    if index >= 0 {
      guard canAdd(row, mask, magnitude, at: index) else { return .flushFirst }
    } else {
      index = rows.insert(hash, sets: keyMask)
      for place in keyColumns.indices {
        rows.keep(key[place], key.bytes, at: rows.row(index) + keyColumns[place])
      }
    }
    sum(row, mask, magnitude, at: index)
    merged += 1
    return .done(true)
  }

  private func sum(_ row: CellSpan, _ mask: UInt64, _ magnitude: UInt64, at index: Int) {
    if rows.isMarked { rows.remember(index) }
    let header = rows.headers + index
    let own = rows.row(index)
    header.pointee.magnitude += magnitude
    var rest = mask
    while rest != 0 {
      let column = rest.trailingZeroBitCount
      let bit: UInt64 = 1 << UInt64(column)
      if (header.pointee.sets | header.pointee.adds) & bit == 0 {
        header.pointee.adds |= bit
        own[column] = .integer(row[column].bits)
      } else {
        // A known NULL counts as 0; its bits are 0.
        own[column] = .integer(own[column].bits + row[column].bits)
      }
      rest &= rest - 1
    }
  }

  /// Whether adding to a pending row gives integers that fit, whatever the order.
  private func canAdd(_ row: CellSpan, _ mask: UInt64, _ magnitude: UInt64, at index: Int) -> Bool {
    let header = rows.headers[index]
    guard header.magnitude + magnitude < Limits.foldedSumMax else { return false }
    var rest = mask & header.sets
    while rest != 0 {
      let column = rest.trailingZeroBitCount
      let known = rows.row(index)[column]
      if known.kind == .integer {
        if known.bits.addingReportingOverflow(row[column].bits).overflow { return false }
      } else if known.kind != .null {
        return false
      }
      rest &= rest - 1
    }
    return true
  }

  private func update(_ key: CellSpan, _ row: CellSpan) -> Answer {
    let mask = row.mask(width)
    guard acceptsKey(key) else { return .flushFirst }
    let index = find(hash(key), key)
    // Another row's change by its key concerns nothing that is pending, unless it moves the row.
    guard index >= 0 else { return mask & keyMask == 0 ? .direct : .flushFirst }
    guard mask & keyMask == 0, accepts(row, mask) else { return .flushFirst }
    store(row, mask, at: index)
    merged += 1
    return .done(true)
  }

  private func get(_ key: CellSpan, _ result: RowBuffer) -> Answer {
    guard acceptsKey(key) else { return .flushFirst }
    let index = find(hash(key), key)
    guard index >= 0 else { return .direct }
    guard rows.headers[index].sets.nonzeroBitCount == width else { return .flushFirst }
    for column in 0..<width {
      var cell = rows.row(index)[column]
      if cell.kind == .text || cell.kind == .blob {
        let source = UnsafeBufferPointer(
          start: rows.bytes + Int(cell.part.start), count: Int(cell.part.count))
        cell.part.start = UInt32(result.bytes.count)
        result.bytes.append(contentsOf: source)
      }
      result.cells.append(cell)
    }
    return .done(true)
  }

  // MARK: What gets in

  /// Whether SQLite would store each named value as it is.
  @inline(__always)
  private func accepts(_ row: CellSpan, _ mask: UInt64) -> Bool {
    var rest = mask
    while rest != 0 {
      let column = rest.trailingZeroBitCount
      let cell = row[column]
      if accepted[column] >> cell.kind.rawValue & 1 == 0 { return false }
      // SQLite stores NaN as NULL, and -0.0 as 0.0.
      if cell.kind == .real, cell.real.isNaN || cell.real == 0 { return false }
      rest &= rest - 1
    }
    return true
  }

  @inline(__always)
  private func acceptsKey(_ key: CellSpan) -> Bool {
    for place in keyColumns.indices where accepted[keyColumns[place]] >> key[place].kind.rawValue & 1 == 0 {
      return false
    }
    return true
  }

  @inline(__always)
  private func store(_ row: CellSpan, _ mask: UInt64, at index: Int) {
    if rows.isMarked { rows.remember(index) }
    let own = rows.row(index)
    var rest = mask
    while rest != 0 {
      let column = rest.trailingZeroBitCount
      rows.keep(row[column], row.bytes, at: own + column)
      rest &= rest - 1
    }
    rows.headers[index].sets |= mask
    rows.headers[index].adds &= ~mask
  }

  // MARK: Keys

  @inline(__always)
  private func hash(_ key: CellSpan) -> UInt64 {
    var hash = FoldTable.seed
    for place in keyColumns.indices { FoldTable.mix(&hash, key[place], key.bytes) }
    return hash
  }

  /// The pending row of a key, or -1.
  @inline(__always)
  private func find(_ hash: UInt64, _ key: CellSpan) -> Int {
    rows.find(hash) { own in
      for place in keyColumns.indices where !isSame(own[keyColumns[place]], key[place], key.bytes) {
        return false
      }
      return true
    }
  }

  @inline(__always)
  private func isSame(_ own: Cell, _ other: Cell, _ source: UnsafePointer<UInt8>) -> Bool {
    if own.kind != other.kind { return false }
    if own.kind == .integer { return own.bits == other.bits }
    if own.part.count != other.part.count { return false }
    let mine = UnsafeRawPointer(rows.bytes + Int(own.part.start))
    let theirs = UnsafeRawPointer(source + Int(other.part.start))
    let count = Int(own.part.count)
    var offset = 0
    while offset + 8 <= count {
      let word = mine.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      if word != theirs.loadUnaligned(fromByteOffset: offset, as: UInt64.self) { return false }
      offset += 8
    }
    while offset < count {
      let byte = mine.load(fromByteOffset: offset, as: UInt8.self)
      if byte != theirs.load(fromByteOffset: offset, as: UInt8.self) { return false }
      offset += 1
    }
    return true
  }

  private static let seed: UInt64 = 0x9e37_79b9_7f4a_7c15

  /// A multiplicative hash, eight bytes at a time; collisions cost time within one batch, never an answer.
  @inline(__always)
  private static func mix(_ hash: inout UInt64, _ cell: Cell, _ bytes: UnsafePointer<UInt8>) {
    func stir(_ word: UInt64) {
      hash = (hash ^ word) &* 0xff51_afd7_ed55_8ccd
      hash ^= hash >> 32
    }
    stir(UInt64(cell.kind.rawValue))
    if cell.kind == .integer { return stir(UInt64(bitPattern: cell.bits)) }
    let raw = UnsafeRawPointer(bytes + Int(cell.part.start))
    let count = Int(cell.part.count)
    var offset = 0
    while offset + 8 <= count {
      stir(raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    var last: UInt64 = UInt64(count) << 56
    while offset < count {
      last = last << 8 ^ UInt64(raw.load(fromByteOffset: offset, as: UInt8.self))
      offset += 1
    }
    stir(last)
  }
}
