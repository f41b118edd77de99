import MoontideCore

/// A file or a directory of a `SimulatedDisk`. What a process sees is the page cache; a power cut leaves the
/// durable image and, of what was written since the last sync, any of the sectors.
final class DiskNode {
  /// What a disk writes whole or not at all.
  static let sectorBytes = 512

  let number: UInt64
  let isDirectory: Bool
  private(set) var cache: [UInt8] = []
  private(set) var image: [UInt8] = []
  /// Written since the last sync.
  private var dirty: Set<Int> = []
  /// Taken for written by the system after a sync that failed, and not on the disk (`fsync` forgets them).
  private var lost: Set<Int> = []
  /// Changes with every write: the time of modification.
  var modified: Int64 = 0

  init(number: UInt64, isDirectory: Bool) {
    self.number = number
    self.isDirectory = isDirectory
  }

  private func sectors(_ range: Range<Int>) -> Range<Int> {
    range.isEmpty
      ? 0..<0 : range.lowerBound / Self.sectorBytes..<(range.upperBound - 1) / Self.sectorBytes + 1
  }

  func write(_ bytes: ArraySlice<UInt8>, at offset: Int) {
    let end = offset + bytes.count
    let old = cache.count
    if old < end { cache += [UInt8](repeating: 0, count: end - old) }
    cache.replaceSubrange(offset..<end, with: bytes)
    for sector in sectors(min(old, offset)..<end) {
      dirty.insert(sector)
      lost.remove(sector)
    }
  }

  func truncate(to count: Int) {
    if cache.count > count {
      cache.removeLast(cache.count - count)
    } else {
      cache += [UInt8](repeating: 0, count: count - cache.count)
    }
    let sectorCount = (count + Self.sectorBytes - 1) / Self.sectorBytes
    dirty = dirty.filter { $0 < sectorCount }
    lost = lost.filter { $0 < sectorCount }
    if count % Self.sectorBytes != 0 { dirty.insert(sectorCount - 1) }
  }

  func sync() {
    resize(to: cache.count)
    for sector in dirty { keep(sector) }
    dirty.removeAll()
  }

  /// Some of the sectors reach the disk; the system forgets about the others.
  func failSync(_ numbers: SeededNumbers) {
    if numbers.chance(0.5) { resize(to: cache.count) }
    for sector in dirty.sorted() {
      if numbers.chance(0.5) { keep(sector) } else { lost.insert(sector) }
    }
    dirty.removeAll()
  }

  /// Puts bytes on the disk at once, around the fault model: what others do to files that are not ours.
  func append(durably bytes: [UInt8]) {
    cache.append(contentsOf: bytes)
    image = cache
  }

  /// The cache drops the pages that a failed sync left clean, and has what the disk has.
  func evict() {
    for sector in lost.sorted() {
      let range = range(of: sector)
      for at in range { cache[at] = at < image.count ? image[at] : 0 }
    }
    lost.removeAll()
  }

  /// What a power cut leaves.
  func cutPower(_ numbers: SeededNumbers) {
    let share = numbers.pick([0, 1, 0.5, 0.9, 0.1])
    if cache.count < image.count, numbers.chance(share) { resize(to: cache.count) }
    if cache.count > image.count, numbers.chance(share / 2) {
      // The size is on the disk before the bytes: zeros, or what was there before.
      let old = image.count
      resize(to: cache.count)
      if numbers.chance(0.3) {
        for at in old..<image.count { image[at] = UInt8(truncatingIfNeeded: numbers.next()) }
      }
    }
    for sector in dirty.sorted() where numbers.chance(share) { keep(sector) }
    dirty.removeAll()
    lost.removeAll()
    cache = image
  }

  private func range(of sector: Int) -> Range<Int> {
    let start = sector * Self.sectorBytes
    return start..<max(start, min(start + Self.sectorBytes, cache.count))
  }

  private func resize(to count: Int) {
    if image.count > count {
      image.removeLast(image.count - count)
    } else {
      image += [UInt8](repeating: 0, count: count - image.count)
    }
  }

  private func keep(_ sector: Int) {
    let range = range(of: sector)
    if image.count < range.upperBound { resize(to: range.upperBound) }
    image.replaceSubrange(range, with: cache[range])
  }
}
