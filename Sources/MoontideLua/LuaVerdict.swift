import CLua
public import MoontideCore

/// What a decider answered.
public enum LuaVerdict {
  /// The events, each as cells in the order of `EmittedField`, one after another; none: nothing happened.
  case accepted([RowBuffer])
  /// At most `Limits.typeBytesMax` and `Limits.errorTextBytesMax` bytes, and an ellipsis where they were
  /// more.
  case rejected(code: String, text: String)
}

/// Deciders: states cross as bytes (`StateCodec`), so that a call changes nothing but what it returns.
extension LuaState {
  /// Calls `decide(command, state)` under the budget.
  /// - Parameters:
  ///   - initial: makes the state of a new stream; nil: an empty table.
  ///   - before: the stream's state, encoded; nil for a new stream.
  ///   - seed: of decider and topic; `math.random` starts from it and the command's id.
  public func decide(
    _ function: LuaFunction, initial: LuaFunction?, before: [UInt8]?, command: Record, in batch: RecordBatch,
    topic: [UInt8], seed: Digest
  ) throws(LuaFault) -> LuaVerdict {
    var verdict: Int32 = 0
    try fold(function, initial, before, command, batch, topic, seed) {
      mt_lua_decide($0, $1, $2, $3, $4, $5, &verdict)
    }
    takeArguments()
    func text(_ cell: Cell, _ limit: Int) -> String { Self.kept(arguments.bytes.text(cell.part), limit) }
    if verdict == Int32(MT_REJECTED) {
      return .rejected(
        code: text(arguments.cells[0], Limits.typeBytesMax),
        text: text(arguments.cells[1], Limits.errorTextBytesMax))
    }
    return .accepted(made())
  }

  /// What the script made, taken out of the arguments: one buffer for each event or command.
  func made() -> [RowBuffer] {
    let width = EmittedField.allCases.count
    precondition(
      arguments.cells.count % width == 0, "\(arguments.cells.count) cells are no events of \(width)")
    return stride(from: 0, to: arguments.cells.count, by: width).map { start in
      let event = RowBuffer()
      event.bytes = arguments.bytes
      event.cells = Array(arguments.cells[start..<start + width])
      return event
    }
  }

  /// Calls `evolve(state, event)` under the budget and returns the new state, encoded.
  /// - Parameter function: nil when the state does not follow this type: it stays as it is, or begins.
  public func evolve(
    _ function: LuaFunction?, initial: LuaFunction?, before: [UInt8]?, event: Record, in batch: RecordBatch,
    topic: [UInt8], seed: Digest
  ) throws(LuaFault) -> [UInt8] {
    try fold(function, initial, before, event, batch, topic, seed) { mt_lua_evolve($0, $1, $2, $3, $4, $5) }
    return value()
  }

  /// A text of a rejection as the log keeps it: one that is cut off ends with an ellipsis.
  private static func kept(_ text: String, _ limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var bytes = 0
    let cut = text.unicodeScalars.prefix {
      bytes += UTF8.width($0)
      return bytes <= limit
    }
    return String(cut) + "…"
  }

  private typealias Call = (
    OpaquePointer, Int32, Int32, UnsafePointer<UInt8>?, Int, UnsafePointer<mt_event>
  ) -> Int32

  private func fold(
    _ function: LuaFunction?, _ initial: LuaFunction?, _ before: [UInt8]?, _ record: Record,
    _ batch: RecordBatch, _ topic: [UInt8], _ seed: Digest, _ call: Call
  ) throws(LuaFault) {
    let status = batch.bytes.withUnsafeBufferPointer { bytes in
      topic.withUnsafeBufferPointer { topic in
        var event = LuaCallbacks.event(record, bytes, topic, seed)
        event.is_unplaced = 1
        let references = (function?.reference ?? 0, initial?.reference ?? 0)
        guard let before else { return call(state, references.0, references.1, nil, 0, &event) }
        return before.withUnsafeBufferPointer {
          call(state, references.0, references.1, $0.baseAddress, $0.count, &event)
        }
      }
    }
    try check(status)
  }
}
