import CLua
public import MoontideCore

/// A part of a type's chain, ready to be called: made once, so that no array is built per event.
public struct UpcastSteps: Sendable, Hashable {
  /// In the order of their calls.
  public let functions: [LuaFunction]
  /// Whether they lead from newer versions to older ones.
  public let isDown: Bool
  let references: [Int32]

  public init(_ functions: [LuaFunction], isDown: Bool = false) {
    self.functions = functions
    self.isDown = isDown
    references = functions.map(\.reference)
  }

  public var isEmpty: Bool { references.isEmpty }
}

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

extension LuaState {
  /// Calls upcasters in turn, the first with a copy of `data` to change. New data is appended as JSON to
  /// `batch.bytes` (padding kept). The buffer of an outcome is good until the next call.
  public func upcast(
    _ steps: UpcastSteps, record: Record, in batch: RecordBatch, topic: [UInt8], seed: Digest
  ) throws(LuaFault) -> UpcastOutcome {
    var outcome = mt_upcast()
    let status = batch.bytes.withUnsafeBufferPointer { bytes in
      topic.withUnsafeBufferPointer { topic in
        var event = LuaCallbacks.event(record, bytes, topic, seed)
        return mt_lua_upcast(
          state, steps.references, Int32(steps.references.count), steps.isDown ? -1 : 1, &event, &outcome)
      }
    }
    try check(status)
    switch Int(outcome.shape) {
    case MT_DATA:
      return .data(appendValue(to: batch))
    case MT_RENAMED:
      takeArguments()
      return .renamed(arguments)
    case MT_SPLIT:
      takeArguments()
      return .split(arguments)
    default:
      return .dropped
    }
  }

  /// Copies what the last call left behind the bytes of the batch, in front of its padding.
  private func appendValue(to batch: RecordBatch) -> ByteRange {
    let json = mt_lua_value(state).pointee
    let start = batch.bytes.count - Limits.parserPaddingBytes
    precondition(start >= 0, "a batch of \(batch.bytes.count) bytes without padding")
    batch.bytes.removeLast(Limits.parserPaddingBytes)
    batch.bytes.append(contentsOf: UnsafeBufferPointer(start: json.bytes, count: json.count))
    batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    return ByteRange(start: start, count: json.count)
  }
}
