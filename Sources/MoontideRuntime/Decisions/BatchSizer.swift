import MoontideCore

/// How much to read at once: everything up to a bound while behind, more when far behind. Idle, that is one
/// event, because no more are there.
struct BatchSizer: Equatable {
  var records: Int
  var bytes: Int

  /// - Parameters:
  ///   - lag: records between the place reached and the durable end.
  ///   - fixed: the number of records to take instead, for measurements at a given batch size.
  init(lag: UInt64, fixed: Int? = nil) {
    if lag >= Limits.deepLag {
      records = Limits.readRecordsDeepMax
      bytes = Limits.readBytesDeepMax
    } else {
      records = Limits.readRecordsMax
      bytes = Limits.readBytesMax
    }
    if let fixed {
      records = fixed
      bytes = max(Limits.readBytesDeepMax, fixed * Limits.readRecordBytes)
    }
  }
}
