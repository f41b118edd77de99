/// How large a log is.
public struct LogStatistics: Sendable, Hashable, Codable {
  /// Files of the log itself, and their bytes.
  public var segments: Int
  public var segmentBytes: UInt64
  /// Files of the indexes by identity and by key, and their bytes; what is still in memory is not counted.
  public var indexRuns: Int
  public var indexBytes: UInt64
}
