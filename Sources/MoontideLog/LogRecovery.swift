/// What opening a log found and did.
public struct LogRecovery: Sendable, Hashable {
  /// Bytes of a torn tail that were dropped: never acknowledged, or the acknowledgement's record is lost too.
  public var bytesDropped: UInt64 = 0
  /// The file that they were dropped from.
  public var droppedFrom: String?
  /// Batches that were read because no checkpoint covered them.
  public var batchesScanned: UInt64 = 0
  /// True when the indexes were missing, damaged or stale, and were built anew from the whole log.
  public var indexesRebuilt = false

  public init() {}
}
