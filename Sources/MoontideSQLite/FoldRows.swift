import MoontideCore

/// The pending rows of a `FoldTable` in the order in which they were first touched, and an open-addressing
/// table that finds them by their key. Reused from batch to batch; allocates only to grow.
///
/// Plain memory: an array counts references, checks uniqueness and bounds at each use, which took half of the
/// time of a merged operation. `@exclusivity(unchecked)`: one thread, and no access lasts longer than an
/// expression.
final class FoldRows {
  struct Header {
    var hash: UInt64
    /// Columns whose value is known, and those of which only the sum of additions is.
    var sets: UInt64
    var adds: UInt64
    /// Sum of the magnitudes of all additions.
    var magnitude: UInt64
  }

  private let width: Int
  @exclusivity(unchecked) private(set) var isMarked = false
  /// What was there at the mark; 0 without one.
  @exclusivity(unchecked) private var markedBytes = 0
  @exclusivity(unchecked) private(set) var markedCount = 0
  /// Rows as they were before their changes since the mark, and their cells.
  @exclusivity(unchecked) private var changed: [(index: Int, header: Header)] = []
  @exclusivity(unchecked) private var changedCells: [Cell] = []
  @exclusivity(unchecked) private(set) var count = 0
  @exclusivity(unchecked) private var capacity = 0
  /// Of `count` rows.
  @exclusivity(unchecked) private(set) var headers: UnsafeMutablePointer<Header>
  /// `width` of each row; text and blobs are parts of `bytes`.
  @exclusivity(unchecked) private(set) var cells: UnsafeMutablePointer<Cell>
  @exclusivity(unchecked) private(set) var bytes: UnsafeMutablePointer<UInt8>
  @exclusivity(unchecked) private(set) var byteCount = 0
  @exclusivity(unchecked) private var byteCapacity = 1 << 12
  /// The upper half of a row's hash and its index + 1; 0 is free. At most half full.
  @exclusivity(unchecked) private var slots: UnsafeMutablePointer<UInt64>
  @exclusivity(unchecked) private var slotCount = 1 << 10

  init(width: Int) {
    self.width = width
    headers = .allocate(capacity: 0)
    cells = .allocate(capacity: 0)
    bytes = .allocate(capacity: byteCapacity)
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: 0, count: slotCount)
  }

  deinit {
    headers.deallocate()
    cells.deallocate()
    bytes.deallocate()
    slots.deallocate()
  }

  func removeAll() {
    if count > 0 { slots.update(repeating: 0, count: slotCount) }
    count = 0
    byteCount = 0
    isMarked = false
    markedBytes = 0
    markedCount = 0
    forgetChanges()
  }

  /// Marks a place to come back to; a second call moves the mark.
  func mark() {
    isMarked = true
    markedBytes = byteCount
    markedCount = count
    forgetChanges()
  }

  @inline(__always)
  private func forgetChanges() {
    if changed.isEmpty { return }
    changed.removeAll(keepingCapacity: true)
    changedCells.removeAll(keepingCapacity: true)
  }

  /// Before a row changes, once there is a mark.
  func remember(_ index: Int) {
    guard index < markedCount else { return }
    changed.append((index, headers[index]))
    for column in 0..<width { changedCells.append(row(index)[column]) }
  }

  /// What was done to one row since the mark.
  struct Since {
    var sets: UInt64
    var adds: UInt64
    var cells: [Cell]
  }

  /// The changes since the mark: values that are known now, and of sums what was added. Their bytes stay
  /// where they are until another row comes.
  func since() -> [Since] {
    var first: [Int: Int] = [:]
    for (place, change) in changed.enumerated() where first[change.index] == nil {
      first[change.index] = place
    }
    return (first.keys.sorted() + Array(markedCount..<count)).map { index in
      var cells = (0..<width).map { row(index)[$0] }
      if let place = first[index] {
        let old = changed[place].header
        for column in 0..<width where headers[index].adds & old.adds & 1 << UInt64(column) != 0 {
          cells[column] = .integer(cells[column].bits - changedCells[place * width + column].bits)
        }
      }
      return Since(sets: headers[index].sets, adds: headers[index].adds, cells: cells)
    }
  }

  /// Goes back to the mark, which stays. Slots are given back in the order opposite to that in which they
  /// were taken, so that none is missing in the way of another.
  func undo() {
    while let (index, header) = changed.popLast() {
      headers[index] = header
      for column in stride(from: width - 1, through: 0, by: -1) {
        row(index)[column] = changedCells.removeLast()
      }
    }
    let wrap = slotCount - 1
    while count > markedCount {
      var slot = Int(truncatingIfNeeded: headers[count - 1].hash) & wrap
      while slots[slot] & 0xffff_ffff != UInt64(count) { slot = (slot + 1) & wrap }
      slots[slot] = 0
      count -= 1
    }
    byteCount = markedBytes
  }

  /// The cells of row `index`.
  @inline(__always)
  func row(_ index: Int) -> UnsafeMutablePointer<Cell> {
    assert(index < count, "row \(index) of \(count)")
    return cells + index * width
  }

  /// The first row of that hash for which `isSame` says yes, or -1.
  @inline(__always)
  func find(_ hash: UInt64, where isSame: (UnsafeMutablePointer<Cell>) -> Bool) -> Int {
    let wrap = slotCount - 1
    var slot = Int(truncatingIfNeeded: hash) & wrap
    while slots[slot] != 0 {
      let entry = slots[slot]
      let index = Int(truncatingIfNeeded: entry & 0xffff_ffff) - 1
      if entry >> 32 == hash >> 32, headers[index].hash == hash, isSame(row(index)) { return index }
      slot = (slot + 1) & wrap
    }
    return -1
  }

  /// Adds a row of absent cells and returns its index.
  func insert(_ hash: UInt64, sets: UInt64) -> Int {
    if count == capacity { grow() }
    let index = count
    count += 1
    (headers + index).initialize(to: Header(hash: hash, sets: sets, adds: 0, magnitude: 0))
    (cells + index * width).initialize(repeating: .absent, count: width)
    fill(index)
    return index
  }

  /// Copies a cell's bytes here, over those of the cell it replaces if they fit and are not those of a mark.
  @inline(__always)
  func keep(_ cell: Cell, _ source: UnsafePointer<UInt8>, at place: UnsafeMutablePointer<Cell>) {
    var kept = cell
    switch cell.kind {
    case .absent, .null: kept.bits = 0
    case .integer, .real: break
    case .text, .blob:
      let count = Int(cell.part.count)
      let old = place.pointee
      if old.kind.rawValue >= Cell.Kind.text.rawValue, old.part.count >= cell.part.count,
        Int(old.part.start) >= markedBytes
      {
        kept.part.start = old.part.start
      } else {
        if byteCapacity - byteCount < count { growBytes(count) }
        kept.part.start = UInt32(truncatingIfNeeded: byteCount)
        byteCount += count
      }
      (bytes + Int(kept.part.start)).update(from: source + Int(cell.part.start), count: count)
    }
    place.pointee = kept
  }

  private func fill(_ index: Int) {
    let wrap = slotCount - 1
    let hash = headers[index].hash
    var slot = Int(truncatingIfNeeded: hash) & wrap
    while slots[slot] != 0 { slot = (slot + 1) & wrap }
    slots[slot] = hash & 0xffff_ffff_0000_0000 | UInt64(index + 1)
  }

  private func grow() {
    let room = max(512, capacity * 2)
    precondition(room < 1 << 31, "\(room) pending rows")
    let newHeaders = UnsafeMutablePointer<Header>.allocate(capacity: room)
    newHeaders.moveInitialize(from: headers, count: count)
    headers.deallocate()
    headers = newHeaders
    let newCells = UnsafeMutablePointer<Cell>.allocate(capacity: room * width)
    newCells.moveInitialize(from: cells, count: count * width)
    cells.deallocate()
    cells = newCells
    capacity = room
    guard slotCount < room * 2 else { return }
    slots.deallocate()
    slotCount = room * 2
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: 0, count: slotCount)
    for index in 0..<count { fill(index) }
  }

  /// A table is written when it holds `Limits.foldedBytesMax`, and a value is bounded, so that places fit
  /// into 32 bits.
  private func growBytes(_ more: Int) {
    var room = byteCapacity
    while room - byteCount < more { room *= 2 }
    precondition(room <= Int(UInt32.max), "\(room) bytes of pending rows")
    let newBytes = UnsafeMutablePointer<UInt8>.allocate(capacity: room)
    newBytes.moveInitialize(from: bytes, count: byteCount)
    bytes.deallocate()
    bytes = newBytes
    byteCapacity = room
  }
}
