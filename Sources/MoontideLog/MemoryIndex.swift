import Glibc

/// The newest entries of both indexes, in memory. One thread adds; a sealed one never changes again.
///
/// `@unchecked Sendable`: `LogIndex` guards it with its gate until it is frozen.
///
/// Its tables are raw memory, given back with the object: every event passes here twice, and an array in a class
/// costs a check of exclusive access and a reference count for each look; untouched pages cost nothing.
final class MemoryIndex: @unchecked Sendable {
  /// Open addressing by the top bits of the hash; word 0 is an empty slot.
  private let identities: UnsafeMutablePointer<IndexEntry>
  private let slotBits: UInt64
  private let slots: Int
  private let limit: Int
  private(set) var count = 0
  /// Entries of keys in the order of the log; `heads` finds the newest of a hash (index + 1, 0 empty),
  /// `previous` the next older.
  private let keys: UnsafeMutablePointer<IndexEntry>
  private let previous: UnsafeMutablePointer<UInt32>
  private let heads: UnsafeMutablePointer<UInt32>

  /// - Parameter capacity: how many entries it takes at most.
  init(capacity: Int) {
    var bits = 4
    while (1 << bits) * 3 < capacity * 4 { bits += 1 }
    slotBits = UInt64(bits)
    slots = 1 << bits
    limit = capacity
    identities = Self.zeroed(IndexEntry.self, slots)
    heads = Self.zeroed(UInt32.self, slots)
    keys = Self.zeroed(IndexEntry.self, capacity)
    previous = Self.zeroed(UInt32.self, capacity)
  }

  deinit {
    free(identities)
    free(heads)
    free(keys)
    free(previous)
  }

  /// All of these are plain numbers, for which zero bytes are a value.
  private static func zeroed<T: BitwiseCopyable>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
    guard let memory = calloc(max(count, 1), MemoryLayout<T>.stride) else {
      preconditionFailure("no memory for \(count) entries of an index")
    }
    return memory.bindMemory(to: type, capacity: max(count, 1))
  }

  /// Whether it is time to freeze it; a batch may overshoot.
  func isFull(_ capacity: Int) -> Bool { count >= capacity }

  /// Adds the records of one batch, in the order of the log.
  func add(_ identityHashes: [IndexHash], _ keyHashes: [IndexHash], at addresses: [LogAddress]) {
    var next = count
    precondition(next + addresses.count <= limit, "\(next + addresses.count) entries of \(limit)")
    let mask = slots - 1
    let shift = 64 - slotBits
    for index in addresses.indices {
      let address = addresses[index]
      let identity = identityHashes[index]
      var slot = Int(identity.value >> shift)
      while identities[slot].word != 0 { slot = (slot + 1) & mask }
      identities[slot] = IndexEntry(identity, address)

      let key = keyHashes[index]
      var head = Int(key.value >> shift)
      while heads[head] != 0, keys[Int(heads[head]) - 1].hash != key.value { head = (head + 1) & mask }
      previous[next] = heads[head]
      keys[next] = IndexEntry(key, address)
      next += 1
      heads[head] = UInt32(next)
    }
    count = next
  }

  /// Whether the first slot of the hash is taken: the usual question has the answer no.
  @inline(__always)
  func mayHold(_ identity: IndexHash) -> Bool { identities[Int(identity.value >> (64 - slotBits))].word != 0 }

  /// Adds the addresses of all entries with this hash.
  func find(identity: IndexHash, into found: inout [LogAddress]) {
    let mask = slots - 1
    var slot = Int(identity.value >> (64 - slotBits))
    while identities[slot].word != 0 {
      if identities[slot].matches(identity) { found.append(identities[slot].address) }
      slot = (slot + 1) & mask
    }
  }

  /// The same for a key, newest first.
  func find(key: IndexHash, into found: inout [LogAddress]) {
    let mask = slots - 1
    var head = Int(key.value >> (64 - slotBits))
    while heads[head] != 0, keys[Int(heads[head]) - 1].hash != key.value { head = (head + 1) & mask }
    var next = heads[head]
    while next != 0 {
      let entry = keys[Int(next) - 1]
      if entry.matches(key) { found.append(entry.address) }
      next = previous[Int(next) - 1]
    }
  }

  func sortedIdentities() -> [IndexEntry] {
    var entries: [IndexEntry] = []
    entries.reserveCapacity(count)
    for slot in 0..<slots where identities[slot].word != 0 { entries.append(identities[slot]) }
    return IndexSort.sorted(entries)
  }

  func sortedKeys() -> [IndexEntry] {
    IndexSort.sorted(Array(UnsafeBufferPointer(start: keys, count: count)))
  }
}
