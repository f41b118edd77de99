import MoontideCore

/// How much to read at once: everything up to a bound while behind, more when far behind. Idle, that is one
/// event, because no more are there.
struct BatchSizer: Equatable {
  var records: Int
  var bytes: Int

  /// - Parameter lag: records between the place reached and the durable end.
  init(lag: UInt64) {
    if lag >= Limits.deepLag {
      records = Limits.readRecordsDeepMax
      bytes = Limits.readBytesDeepMax
    } else {
      records = Limits.readRecordsMax
      bytes = Limits.readBytesMax
    }
  }
}
