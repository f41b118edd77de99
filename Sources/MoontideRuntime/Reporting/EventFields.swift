public import MoontideCore

/// The names of the fields of an event's data.
public enum EventFields {
  /// In document order, at most 64; escapes are kept as they are written.
  public static func names(of record: Record, in batch: RecordBatch) -> [String] {
    JSONFields.names(batch.bytes, record.envelope.data)
  }
}
