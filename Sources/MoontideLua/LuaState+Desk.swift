import CLua
public import MoontideCore

/// The desk: lines that a person types, one after another, in an environment that stays. For a state that was
/// made with `isDesk`, in which no handler file is loaded.
extension LuaState {
  /// Makes the environment; before anything below.
  public func openDesk() throws(LuaFault) { try check(mt_lua_desk_open(state)) }

  /// Makes a function that calls `LuaHost.desk` with this number. `path` is the global, then fields of
  /// tables; a name that begins with `#` is a whole number.
  public func define(_ function: Int, as path: [String]) throws(LuaFault) {
    var names: [UInt8] = []
    for name in path { names += Array(name.utf8) + [0] }
    let status = names.withUnsafeBytes {
      mt_lua_desk_define(
        state, Int32(function), $0.baseAddress?.assumingMemoryBound(to: CChar.self), names.count)
    }
    try check(status)
  }

  /// Runs a line and returns its values. Functions in them are only to be looked at.
  /// - Parameters:
  ///   - isExpression: whether `text` is what `return` gives; its first value becomes `_`.
  ///   - last: becomes `_` before, as `StateWriter` writes it.
  ///   - now: what `os.time` gives.
  ///   - time: how long it may take.
  /// - Throws: `syntax` with a message that ends in `near <eof>` for a line that is not whole.
  public func runDesk(
    _ text: [UInt8], isExpression: Bool, last: [UInt8]?, now: EventTime, time: Duration
  ) throws(LuaFault) -> [LuaValue] {
    let text = isExpression ? Array("return ".utf8) + text : text
    let nanoseconds = LuaCallbacks.nanoseconds(time)
    let status = text.withUnsafeBufferPointer { text in
      guard let last else {
        return mt_lua_desk_run(
          state, text.baseAddress, text.count, isExpression ? 1 : 0, nil, 0, now.microseconds,
          nanoseconds)
      }
      return last.withUnsafeBufferPointer { last in
        mt_lua_desk_run(
          state, text.baseAddress, text.count, isExpression ? 1 : 0, last.baseAddress, last.count,
          now.microseconds, nanoseconds)
      }
    }
    try check(status)
    takeArguments()
    return arguments.cells.map { cell in
      let bytes = Array(arguments.bytes[cell.part.indices])
      guard let value = StateCodec.decode(bytes, functions: true) else {
        preconditionFailure("the coding of CLua and StateCodec differ")
      }
      return value
    }
  }

  /// Whether it can run more lines after one that failed; else it is thrown away.
  public func recoverDesk() -> Bool { mt_lua_desk_recover(state) != 0 }
}
