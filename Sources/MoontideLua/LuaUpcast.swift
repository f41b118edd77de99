import CLua
public import MoontideCore

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
