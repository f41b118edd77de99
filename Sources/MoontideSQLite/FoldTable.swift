import MoontideCore

/// Row operations of one batch on one table, merged by key before they reach SQLite: an open-addressing table
/// of pending rows in the order in which they were first touched. Reused from batch to batch; allocates only
/// to grow.
///
/// What comes out equals the operations done one by one: only values that SQLite stores as they are get in,
/// sums are of integers whose every partial sum fits, and any doubt asks for a flush and a plain statement.
///
/// `@exclusivity(unchecked)`: one thread, no closure keeps an access open, and the checks cost a tenth of a
/// batch.
final class FoldTable {
  enum Answer {
    case done(Bool)
    /// Do it as a plain statement; nothing pending is concerned.
    case direct
    /// Write what is pending, then do it as a plain statement.
    case flushFirst
  }

  private let shape: TableShape
  private let width: Int
  /// Of the table's key and columns; freed with this object. Plain memory, since arrays are counted at each
  /// use.
  private let keyColumns: UnsafeMutableBufferPointer<Int>
  private let affinities: UnsafeMutableBufferPointer<TableShape.Affinity>
  private let keyMask: UInt64
  private let requiredMask: UInt64
  private let notNullMask: UInt64
  private let summable: UInt64

  /// Index of a row + 1, or 0.
  @exclusivity(unchecked) private var slots = [UInt32](repeating: 0, count: 1 << 10)
  @exclusivity(unchecked) private var hashes: [UInt64] = []
  /// Columns whose value is known, and those of which only the sum of additions is.
  @exclusivity(unchecked) private var sets: [UInt64] = []
  @exclusivity(unchecked) private var adds: [UInt64] = []
  /// Sum of the magnitudes of all additions to a row.
  @exclusivity(unchecked) private var magnitudes: [UInt64] = []
  @exclusivity(unchecked) private var cells: [Cell] = []
  @exclusivity(unchecked) private var bytes: [UInt8] = []

  @exclusivity(unchecked) private(set) var count = 0
  var isLarge: Bool { bytes.count > Limits.foldedBytesMax }

  init(_ shape: TableShape) {
    precondition(shape.isFoldable, "\(shape.name) cannot be folded")
    self.shape = shape
    width = shape.width
    keyColumns = .allocate(capacity: shape.table.keyColumns.count)
    _ = keyColumns.initialize(from: shape.table.keyColumns)
    affinities = .allocate(capacity: shape.width)
    _ = affinities.initialize(from: shape.columns.map { $0.affinity })
    keyMask = shape.keyMask
    requiredMask = shape.requiredMask
    var notNull: UInt64 = 0
    var summable: UInt64 = 0
    for (index, column) in shape.columns.enumerated() {
      let bit: UInt64 = 1 << UInt64(index)
      if column.isNotNull || shape.keyMask & bit != 0 { notNull |= bit }
      let isNumber = column.affinity == .integer || column.affinity == .numeric
      let startsSmall = column.defaultSQL.map { Int32($0) != nil || $0.lowercased() == "null" } ?? true
      if isNumber && startsSmall && shape.keyMask & bit == 0 { summable |= bit }
    }
    notNullMask = notNull
    self.summable = summable
  }

  deinit {
    keyColumns.deallocate()
    affinities.deallocate()
  }

  func removeAll() {
    if count > 0 { slots.withUnsafeMutableBufferPointer { $0.update(repeating: 0) } }
    count = 0
    hashes.removeAll(keepingCapacity: true)
    sets.removeAll(keepingCapacity: true)
    adds.removeAll(keepingCapacity: true)
    magnitudes.removeAll(keepingCapacity: true)
    cells.removeAll(keepingCapacity: true)
    bytes.removeAll(keepingCapacity: true)
  }

  /// The pending rows in the order of their first touch: cells by column, known columns, added columns.
  func forEach(_ body: (CellSpan, UInt64, UInt64) throws(StoreError) -> Void) throws(StoreError) {
    try cells.withUnsafeBufferPointer { (cells) throws(StoreError) in
      try bytes.withUnsafeBufferPointer { (bytes) throws(StoreError) in
        guard let first = cells.baseAddress else { return }
        for row in 0..<count {
          let span = CellSpan(
            cells: first + row * width, count: width, bytes: bytes.baseAddress ?? Statement.nothing)
          try body(span, sets[row], adds[row])
        }
      }
    }
  }

  func run(_ operation: RowOperation, _ arguments: CellSpan, into result: RowBuffer) throws(StoreError)
    -> Answer
  {
    let row = arguments.dropping(operation == .update || operation == .add ? keyColumns.count : 0)
    switch operation {
    case .put: return put(arguments)
    case .add: return add(arguments, row)
    case .update: return update(arguments, row)
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
    for column in keyColumns where !acceptsKey(row[column], column) { return .flushFirst }
    var hash = FoldTable.seed
    for column in keyColumns { FoldTable.mix(&hash, row[column], row.bytes) }
    var index = find(hash) {
      row[keyColumns[$0]]
    } in: {
      row.bytes
    }
    if index < 0 { index = insert(hash, row) { row[keyColumns[$0]] } }
    store(row, mask & ~keyMask, at: index)
    return .done(true)
  }

  private func add(_ key: CellSpan, _ row: CellSpan) -> Answer {
    let mask = row.mask(width)
    guard mask & ~summable == 0, requiredMask & ~(mask | keyMask) == 0 else { return .flushFirst }
    for index in keyColumns.indices where !acceptsKey(key[index], keyColumns[index]) { return .flushFirst }
    var rest = mask
    var magnitude: UInt64 = 0
    while rest != 0 {
      let cell = row[rest.trailingZeroBitCount]
      guard cell.kind == .integer, cell.bits.magnitude < Limits.foldedSumMax else { return .flushFirst }
      magnitude += cell.bits.magnitude
      if magnitude >= Limits.foldedSumMax { return .flushFirst }
      rest &= rest - 1
    }
    var index = find(key)
    if index >= 0 {
      guard canAdd(row, mask, magnitude, at: index) else { return .flushFirst }
    } else {
      var hash = FoldTable.seed
      for place in keyColumns.indices { FoldTable.mix(&hash, key[place], key.bytes) }
      index = insert(hash, key) { key[$0] }
    }
    magnitudes[index] += magnitude
    rest = mask
    while rest != 0 {
      let column = rest.trailingZeroBitCount
      let bit: UInt64 = 1 << UInt64(column)
      let place = index * width + column
      if (sets[index] | adds[index]) & bit == 0 {
        adds[index] |= bit
        cells[place] = .integer(row[column].bits)
      } else {
        // A known NULL counts as 0; its bits are 0.
        cells[place] = .integer(cells[place].bits + row[column].bits)
      }
      rest &= rest - 1
    }
    return .done(true)
  }

  /// Whether adding to a pending row gives integers that fit, whatever the order.
  private func canAdd(_ row: CellSpan, _ mask: UInt64, _ magnitude: UInt64, at index: Int) -> Bool {
    guard magnitudes[index] + magnitude < Limits.foldedSumMax else { return false }
    var rest = mask & sets[index]
    while rest != 0 {
      let column = rest.trailingZeroBitCount
      let known = cells[index * width + column]
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
    for index in keyColumns.indices where !acceptsKey(key[index], keyColumns[index]) { return .flushFirst }
    let index = find(key)
    // Another row's change by its key concerns nothing that is pending, unless it moves the row.
    guard index >= 0 else { return mask & keyMask == 0 ? .direct : .flushFirst }
    guard mask & keyMask == 0, accepts(row, mask) else { return .flushFirst }
    store(row, mask, at: index)
    return .done(true)
  }

  private func get(_ key: CellSpan, _ result: RowBuffer) -> Answer {
    for index in keyColumns.indices where !acceptsKey(key[index], keyColumns[index]) { return .flushFirst }
    let index = find(key)
    guard index >= 0 else { return .direct }
    guard sets[index].nonzeroBitCount == width else { return .flushFirst }
    for column in 0..<width {
      var cell = cells[index * width + column]
      if cell.kind == .text || cell.kind == .blob { cell.part = result.bytes.appendPart(bytes, cell.part) }
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
      let kind = row[column].kind
      switch affinities[column] {
      case .integer, .numeric: if kind != .integer && kind != .null { return false }
      case .text: if kind != .text && kind != .null { return false }
      case .real:
        if kind == .real {
          // SQLite stores NaN as NULL, and -0.0 as 0.0.
          if row[column].real.isNaN || row[column].real == 0 { return false }
        } else if kind != .null {
          return false
        }
      case .blob: if kind == .real { return false }
      }
      if kind == .null, notNullMask & 1 << UInt64(column) != 0 { return false }
      rest &= rest - 1
    }
    return true
  }

  /// Whether a key equals another one exactly when their bits or bytes do.
  @inline(__always)
  private func acceptsKey(_ cell: Cell, _ column: Int) -> Bool {
    switch affinities[column] {
    case .integer, .numeric: cell.kind == .integer
    case .text: cell.kind == .text
    case .blob: cell.kind == .integer || cell.kind == .text || cell.kind == .blob
    case .real: false
    }
  }

  private func store(_ row: CellSpan, _ mask: UInt64, at index: Int) {
    var rest = mask
    while rest != 0 {
      let column = rest.trailingZeroBitCount
      cells[index * width + column] = keep(row[column], row.bytes, instead: cells[index * width + column])
      rest &= rest - 1
    }
    sets[index] |= mask
    adds[index] &= ~mask
  }

  /// Copies a cell's bytes here, over those of the cell it replaces if they fit.
  private func keep(_ cell: Cell, _ source: UnsafePointer<UInt8>, instead old: Cell) -> Cell {
    var kept = cell
    switch cell.kind {
    case .absent, .null: kept.bits = 0
    case .integer, .real: break
    case .text, .blob:
      let count = Int(cell.part.count)
      let new = UnsafeBufferPointer(start: source + Int(cell.part.start), count: count)
      if old.kind.rawValue >= Cell.Kind.text.rawValue, Int(old.part.count) >= count {
        let start = Int(old.part.start)
        bytes.withUnsafeMutableBufferPointer { target in
          for offset in 0..<count { target[start + offset] = new[offset] }
        }
        kept.part = ByteRange(start: start, count: count)
      } else {
        kept.part = ByteRange(start: bytes.count, count: count)
        bytes.append(contentsOf: new)
      }
    }
    return kept
  }

  // MARK: The table

  private func find(_ key: CellSpan) -> Int {
    var hash = FoldTable.seed
    for index in keyColumns.indices { FoldTable.mix(&hash, key[index], key.bytes) }
    return find(hash) {
      key[$0]
    } in: {
      key.bytes
    }
  }

  /// The pending row of a key, or -1.
  @inline(__always)
  private func find(_ hash: UInt64, _ key: (Int) -> Cell, in source: () -> UnsafePointer<UInt8>) -> Int {
    let wrap = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & wrap
    while slots[slot] != 0 {
      let index = Int(slots[slot]) - 1
      if hashes[index] == hash, isSame(index, key, source()) { return index }
      slot = (slot + 1) & wrap
    }
    return -1
  }

  @inline(__always)
  private func isSame(_ index: Int, _ key: (Int) -> Cell, _ source: UnsafePointer<UInt8>) -> Bool {
    for place in 0..<keyColumns.count {
      let (own, other) = (cells[index * width + keyColumns[place]], key(place))
      if own.kind != other.kind { return false }
      if own.kind == .integer {
        if own.bits != other.bits { return false }
        continue
      }
      if own.part.count != other.part.count { return false }
      let isEqual = bytes.withUnsafeBufferPointer { buffer in
        for offset in 0..<Int(own.part.count)
        where buffer[Int(own.part.start) + offset] != source[Int(other.part.start) + offset] { return false }
        return true
      }
      if !isEqual { return false }
    }
    return true
  }

  private func insert(_ hash: UInt64, _ source: CellSpan, _ key: (Int) -> Cell) -> Int {
    if (count + 1) * 2 > slots.count { grow() }
    let index = count
    count += 1
    hashes.append(hash)
    sets.append(keyMask)
    adds.append(0)
    magnitudes.append(0)
    for _ in 0..<width { cells.append(.absent) }
    for place in 0..<keyColumns.count {
      cells[index * width + keyColumns[place]] = keep(key(place), source.bytes, instead: .absent)
    }
    fill(index)
    return index
  }

  private func fill(_ index: Int) {
    let wrap = slots.count - 1
    var slot = Int(truncatingIfNeeded: hashes[index]) & wrap
    while slots[slot] != 0 { slot = (slot + 1) & wrap }
    slots[slot] = UInt32(index + 1)
  }

  private func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    for index in 0..<count { fill(index) }
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
