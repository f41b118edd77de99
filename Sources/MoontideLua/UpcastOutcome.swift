public import MoontideCore

/// What a chain of upcasters made of an event.
public enum UpcastOutcome {
  /// New data: where it lies in the batch.
  case data(ByteRange)
  /// One event of another type, as cells of `ReshapedField`.
  case renamed(RowBuffer)
  /// At least one event, each as cells of `ReshapedField`, one behind the other.
  case split(RowBuffer)
  /// Nothing is left of it.
  case dropped
}

/// The cells of one event that `rename` or `split` made, in this order; `absent` where nothing was given.
public enum ReshapedField: Int, CaseIterable, Sendable {
  case type, version, key, time, data, meta
}
