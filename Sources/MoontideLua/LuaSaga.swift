import CLua
public import MoontideCore

/// Sagas: states cross as bytes (`StateCodec`). All of these throw what the script raised, or what it
/// returned that it must not return; nothing is kept of such a call.
extension LuaState {
  /// Calls `correlate(event)`: the value that names the instance, or nil.
  public func correlate(_ function: LuaFunction, _ event: LuaOccasion) throws(LuaFault) -> [UInt8]? {
    try call(MT_SAGA_CORRELATE, function, nil, event)
    takeArguments()
    guard let cell = arguments.cells.first else { return nil }
    return cell.kind == .integer ? Array(String(cell.bits).utf8) : Array(arguments.bytes[cell.part.indices])
  }

  /// Calls `initial(event)`: the state of a new instance. Without a function it is an empty table.
  public func beginSaga(_ function: LuaFunction?, _ event: LuaOccasion) throws(LuaFault) -> [UInt8] {
    try call(MT_SAGA_INITIAL, function, nil, event)
    return value()
  }

  /// Calls `send(state)`: the commands that it returns, as cells in the order of `EmittedField`.
  public func send(
    _ function: LuaFunction, _ state: inout [UInt8], _ occasion: LuaOccasion
  ) throws(LuaFault) -> [RowBuffer] {
    try step(MT_SAGA_SEND, function, &state, occasion)
  }

  /// Calls `compensate(state, result)`.
  /// - Parameter result: whether `occasion` is the event that said that the step was done; without it
  ///   `result` is nil.
  public func compensate(
    _ function: LuaFunction, _ state: inout [UInt8], result: Bool, _ occasion: LuaOccasion
  ) throws(LuaFault) -> [RowBuffer] {
    try step(MT_SAGA_UNDO, function, &state, occasion, hasEvent: result)
  }

  /// Calls `compensated(state, why)`.
  /// - Parameter why: fields of `why`; those with an empty text are absent.
  public func conclude(
    _ function: LuaFunction, _ state: inout [UInt8], why: [(name: String, text: String)],
    _ occasion: LuaOccasion
  ) throws(LuaFault) -> [RowBuffer] {
    result.removeAll()
    for (name, text) in why {
      result.append(text: name)
      result.append(text: text)
    }
    do throws(HostRefusal) { try giveResult() } catch {
      throw LuaFault(kind: .memoryBudget, message: error.message)
    }
    return try step(MT_SAGA_WHY, function, &state, occasion)
  }

  /// Calls `on.Type(state, event, ctx)`.
  public func react(
    _ function: LuaFunction, _ state: inout [UInt8], _ event: LuaOccasion
  ) throws(LuaFault) {
    try call(MT_SAGA_REACT, function, state, event)
    state = value()
  }

  /// Calls `timers.name(state, ctx)`.
  public func fire(
    _ function: LuaFunction, _ state: inout [UInt8], _ occasion: LuaOccasion
  ) throws(LuaFault) {
    try call(MT_SAGA_TIMED, function, state, occasion)
    state = value()
  }

  /// Calls `migrate(state, step, status)`: where the instance goes on.
  /// - Parameters:
  ///   - step: on which it stands; empty: on none.
  ///   - status: `running`, `compensating` and so on.
  public func migrate(
    _ function: LuaFunction, _ state: inout [UInt8], step: String, status: String, _ occasion: LuaOccasion
  ) throws(LuaFault) -> LuaSagaTarget {
    result.removeAll()
    result.append(text: step)
    result.append(text: status)
    do throws(HostRefusal) { try giveResult() } catch {
      throw LuaFault(kind: .memoryBudget, message: error.message)
    }
    try call(MT_SAGA_MIGRATE, function, state, occasion)
    state = value()
    takeArguments()
    guard let cell = arguments.cells.first else { return .same }
    return cell.kind == .integer ? .end : .step(arguments.text(0) ?? "")
  }

  private func step(
    _ shape: Int, _ function: LuaFunction, _ state: inout [UInt8], _ occasion: LuaOccasion,
    hasEvent: Bool = false
  ) throws(LuaFault) -> [RowBuffer] {
    try call(shape, function, state, occasion, hasEvent: hasEvent)
    state = value()
    takeArguments()
    return made()
  }

  private func call(
    _ shape: Int, _ function: LuaFunction?, _ before: [UInt8]?, _ occasion: LuaOccasion,
    hasEvent: Bool = false
  ) throws(LuaFault) {
    let status = occasion.batch.bytes.withUnsafeBufferPointer { bytes in
      occasion.topic.withUnsafeBufferPointer { topic in
        var event = LuaCallbacks.event(occasion.record, bytes, topic, occasion.seed)
        event.time_microseconds = occasion.microseconds
        let state = self.state
        return (before ?? []).withUnsafeBufferPointer {
          var call = mt_saga_call(
            shape: Int32(shape), function: function?.reference ?? 0, has_event: hasEvent ? 1 : 0,
            before: $0.baseAddress, count: $0.count)
          return mt_lua_saga(state, &call, &event)
        }
      }
    }
    try check(status)
  }
}

/// Where `migrate` says that an instance goes on.
public enum LuaSagaTarget: Sendable, Hashable {
  /// On the step on which it stands.
  case same
  case step(String)
  /// Behind the last step.
  case end
}
