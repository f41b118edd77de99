public import MoontideCore

/// Which log a store belongs to: 31 bits of the log's identity in SQLite's `user_version`, which is no part
/// of a dump, so that equal rows stay equal files. 0 in files that were made before this was written down.
extension Connection {
  /// Says that the file belongs to the log of that mark, unless it belongs to another: then false, and
  /// nothing is changed.
  func claim(log mark: Int32) throws(StoreError) -> Bool {
    precondition(mark > 0, "a log's mark is positive, not \(mark)")
    let known = try prepare("pragma user_version")
    guard try known.step() else { return false }
    let found = known.integer(0)
    known.reset()
    if found == 0 { try script("pragma user_version=\(mark)") }
    return found == 0 || found == Int64(mark)
  }
}

extension ProjectionStore {
  /// Whether the read model is of the log with that mark (1 to 2^31 - 1); a file that never said is from
  /// then on.
  public func claim(log mark: Int32) throws(StoreError) -> Bool { try connection.claim(log: mark) }
}

extension ConsumerStore {
  /// Whether the file is of the log with that mark (1 to 2^31 - 1); a file that never said is from then on.
  public func claim(log mark: Int32) throws(StoreError) -> Bool { try connection.claim(log: mark) }
}
