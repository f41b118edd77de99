public import MoontideCore

/// What a running script can ask of the host. Called on the thread of the state, in the middle of a handler;
/// an error thrown here is raised in Lua after the Swift frame has returned.
public protocol LuaHost: AnyObject {
  /// What is left of the call's time; set before each `sql`, and before a `row` of operation `each`.
  var timeLeft: Duration { get set }
  /// `db.T:put` and its like. Buffers as `RowOperation` says; they belong to the state.
  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(HostRefusal) -> Bool
  /// `db:query` and `db:exec`: the names of the columns.
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(HostRefusal) -> [String]
  /// The encoded state of the event's key, appended to `buffer.bytes`; false when there is none.
  func loadState(into buffer: RowBuffer) throws(HostRefusal) -> Bool
  /// The state as it is after the handler, when it differs; nil when it became nil or an empty table.
  func saveState(_ value: [UInt8]?) throws(HostRefusal)
  /// `ctx.emit`: cells in the order of `EmittedField`, `absent` where not given; `result` gets one text
  /// cell, the id.
  func emit(_ event: RowBuffer, result: RowBuffer) throws(HostRefusal)
  /// `ctx.send`: the same for a command.
  func send(_ command: RowBuffer, result: RowBuffer) throws(HostRefusal)
  /// `ctx.effect`: the request as JSON in whose texts references to the environment are holes, 0xFF NAME
  /// 0xFE; `result` gets one text cell, the effect's key.
  func effect(_ kind: String, request: [UInt8], result: RowBuffer) throws(HostRefusal)
  /// `ctx.env.NAME`: refuses a name that effects may not refer to.
  func environment(_ name: String) throws(HostRefusal)
  /// `ctx.timer`, `ctx.compensate`, `ctx.complete`; `arguments` as `SagaVerb` says.
  func act(_ verb: SagaVerb, _ arguments: RowBuffer) throws(HostRefusal)
  /// A function of `LuaState.define` was called: `arguments` are cells with JSON, absent for nil. The value
  /// goes into `result.bytes`, as `StateWriter` writes it; none is nil.
  func desk(_ function: Int, _ arguments: RowBuffer, result: RowBuffer) throws(HostRefusal)
  /// Whether somebody wants the line that runs to end; asked again and again on the thread of the state.
  var isInterrupted: Bool { get }
  /// One line of `print`, without its newline.
  func print(_ text: [UInt8])
  /// `event.data` was asked for a field it does not have; at most once per type and field.
  func missing(field: [UInt8], type: [UInt8])
}

/// For hosts without a desk.
extension LuaHost {
  public func desk(_ function: Int, _ arguments: RowBuffer, result: RowBuffer) throws(HostRefusal) {
    throw HostRefusal(code: "host", message: "there is no desk here")
  }
  public var isInterrupted: Bool { false }
}

/// For hosts whose scripts have no effects.
extension LuaHost {
  public func effect(_ kind: String, request: [UInt8], result: RowBuffer) throws(HostRefusal) {
    throw HostRefusal(code: "host", message: "there are no effects here")
  }
  public func environment(_ name: String) throws(HostRefusal) {
    throw HostRefusal(code: "host", message: "there are no effects here")
  }
}

/// What a saga's script asks for beside events and commands.
public enum SagaVerb: Int32, Sendable {
  /// Two cells: the name, and the delay as written; without a delay the timer is no more.
  case timer = 1
  /// One cell: the reason.
  case compensate = 2
  /// No cell.
  case complete = 3
}

/// For what is no saga.
extension LuaHost {
  public func act(_ verb: SagaVerb, _ arguments: RowBuffer) throws(HostRefusal) {
    throw HostRefusal(
      code: "E0307", message: "ctx.\(verb) is for sagas: a consumer has ctx.emit and ctx.send")
  }
}

/// The cells of `LuaHost.emit`.
public enum EmittedField: Int, CaseIterable, Sendable {
  case type, key, id, time, version, topic
  /// JSON objects without whitespace.
  case data, meta
}

/// The host says no; the handler may catch it with `pcall`.
public struct HostRefusal: Error, Sendable, Hashable {
  /// A code of `explain`.
  public var code: String
  public var message: String
  /// An error that no `pcall` may swallow: the worker gives up the transaction (a full disk, say).
  public var fatal: Bool
  public init(code: String, message: String, fatal: Bool = false) {
    self.code = code
    self.message = message
    self.fatal = fatal
  }
}
