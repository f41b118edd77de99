import MoontideCore

/// How many records the keys have that conditional appends asked for last: so that the next condition on a
/// long stream counts nothing. Guarded by the appender's gate.
struct VersionCache {
  private var versions: [IndexHash: Int] = [:]

  var isEmpty: Bool { versions.isEmpty }

  /// The known number of records under a key's hash.
  subscript(_ key: IndexHash) -> Int? { versions[key] }

  /// Remembers what the index said. When it is full all is forgotten: what is in use comes back by itself.
  mutating func learn(_ key: IndexHash, _ version: Int) {
    if versions.count >= Limits.versionsRememberedMax { versions.removeAll(keepingCapacity: true) }
    versions[key] = version
  }

  /// A record of that key was written.
  mutating func count(_ key: IndexHash) {
    if let index = versions.index(forKey: key) { versions.values[index] += 1 }
  }
}
