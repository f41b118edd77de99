import MoontideCore

/// An open-addressing hash table from byte strings to small numbers. Looking up takes a part of a buffer,
/// so that no string is built per event.
struct ByteTable: Sendable {
  private struct Entry {
    var hash: UInt64
    var salt: UInt32
    var key: ByteRange
    var value: Int
  }
  /// Index of an entry plus one; 0 is free. A power of two, at most half full.
  private var slots: [Int32] = [Int32](repeating: 0, count: 16)
  private var entries: [Entry] = []
  private var bytes: [UInt8] = []

  var count: Int { entries.count }

  /// FNV-1a, 64 bits.
  private static func hash(_ buffer: [UInt8], _ range: ByteRange, _ salt: UInt32) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(salt)
    for index in range.indices { hash = (hash ^ UInt64(buffer[index])) &* 0x100_0000_01b3 }
    return hash ^ (hash >> 29)
  }

  /// The value of a key, or nil. `salt` tells keys of different topics apart.
  func find(_ buffer: [UInt8], _ range: ByteRange, salt: UInt32 = 0) -> Int? {
    entry(buffer, range, salt: salt).map { entries[$0].value }
  }

  /// The index of a key's entry.
  private func entry(_ buffer: [UInt8], _ range: ByteRange, salt: UInt32) -> Int? {
    let hash = Self.hash(buffer, range, salt)
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      if entry.hash == hash, entry.salt == salt, entry.key.count == range.count,
        matches(entry.key, buffer, range)
      {
        return Int(slots[slot]) - 1
      }
      slot = (slot + 1) & mask
    }
    return nil
  }

  private func matches(_ key: ByteRange, _ buffer: [UInt8], _ range: ByteRange) -> Bool {
    let first = Int(key.start)
    let other = Int(range.start)
    for index in 0..<Int(key.count) where bytes[first + index] != buffer[other + index] { return false }
    return true
  }

  /// Gives a key its value, whether it is there or not.
  mutating func set(_ buffer: [UInt8], salt: UInt32, value: Int) {
    let range = ByteRange(start: 0, count: buffer.count)
    if let entry = entry(buffer, range, salt: salt) {
      entries[entry].value = value
    } else {
      insert(buffer, range, salt: salt, value: value)
    }
  }

  /// Adds a key that is not there yet.
  mutating func insert(_ buffer: [UInt8], _ range: ByteRange, salt: UInt32 = 0, value: Int) {
    let hash = Self.hash(buffer, range, salt)
    entries.append(Entry(hash: hash, salt: salt, key: bytes.appendPart(buffer, range), value: value))
    if entries.count * 2 > slots.count {
      slots = [Int32](repeating: 0, count: slots.count * 2)
      for index in entries.indices { place(index) }
    } else {
      place(entries.count - 1)
    }
  }

  private mutating func place(_ index: Int) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: entries[index].hash) & mask
    while slots[slot] != 0 { slot = (slot + 1) & mask }
    slots[slot] = Int32(index + 1)
  }
}
