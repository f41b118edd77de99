/// The newest entries of both indexes, in memory. One thread adds; a sealed one never changes again.
///
/// `@unchecked Sendable`: `LogIndex` guards it with its gate until it is frozen.
final class MemoryIndex: @unchecked Sendable {
  /// Open addressing by the top bits of the hash: hash and word of an entry side by side, word 0 empty.
  private var identities: [IndexEntry]
  private let slotBits: UInt64
  private(set) var count = 0
  /// Entries of keys in the order of the log; `heads` finds the newest of a hash, `previous` the next older.
  private var keys: [IndexEntry] = []
  private var previous: [UInt32] = []
  private var heads: [UInt32]

  init(capacity: Int) {
    var bits = 4
    while (1 << bits) * 3 < capacity * 4 { bits += 1 }
    slotBits = UInt64(bits)
    identities = Array(repeating: IndexEntry(hash: 0, word: 0), count: 1 << bits)
    heads = Array(repeating: 0, count: 1 << bits)
    keys.reserveCapacity(capacity)
    previous.reserveCapacity(capacity)
  }

  /// Whether it is time to freeze it; a batch may overshoot.
  func isFull(_ capacity: Int) -> Bool { count >= capacity }

  func add(identity: IndexHash, key: IndexHash, _ address: LogAddress) {
    precondition(count < identities.count - 1, "\(count) entries in \(identities.count) slots")
    let mask = identities.count - 1
    var slot = Int(identity.value >> (64 - slotBits))
    while identities[slot].word != 0 { slot = (slot + 1) & mask }
    identities[slot] = IndexEntry(identity, address)

    var head = Int(key.value >> (64 - slotBits))
    while heads[head] != 0, keys[Int(heads[head]) - 1].hash != key.value { head = (head + 1) & mask }
    previous.append(heads[head])
    keys.append(IndexEntry(key, address))
    heads[head] = UInt32(keys.count)
    count += 1
  }

  /// Whether the first slot of the hash is taken: the usual question has the answer no.
  @inline(__always)
  func mayHold(_ identity: IndexHash) -> Bool { identities[Int(identity.value >> (64 - slotBits))].word != 0 }

  /// Adds the addresses of all entries with this hash.
  func find(identity: IndexHash, into found: inout [LogAddress]) {
    let mask = identities.count - 1
    var slot = Int(identity.value >> (64 - slotBits))
    while identities[slot].word != 0 {
      if identities[slot].matches(identity) { found.append(identities[slot].address) }
      slot = (slot + 1) & mask
    }
  }

  /// The same for a key, newest first.
  func find(key: IndexHash, into found: inout [LogAddress]) {
    let mask = heads.count - 1
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
    for entry in identities where entry.word != 0 { entries.append(entry) }
    return IndexSort.sorted(entries)
  }

  func sortedKeys() -> [IndexEntry] { IndexSort.sorted(keys) }
}
