public import MoontideCore

/// What a function of a saga is called about: a record, the time of what is handled, and what `math.random`
/// starts from.
public struct LuaOccasion {
  public var record: Record
  public var batch: RecordBatch
  public var topic: [UInt8]
  /// Of saga and topic; the record's id is added.
  public var seed: Digest
  /// What `os.time` gives, microseconds since 1970.
  public var microseconds: Int64

  public init(
    _ record: Record, in batch: RecordBatch, topic: [UInt8], seed: Digest, microseconds: Int64? = nil
  ) {
    self.record = record
    self.batch = batch
    self.topic = topic
    self.seed = seed
    self.microseconds = microseconds ?? record.envelope.timeMicroseconds
  }
}
