public import MoontideCore

/// What a state may use, per event and in all.
public struct LuaBudget: Sendable, Hashable {
  public var instructions: UInt64
  public var time: Duration
  public var memoryBytes: Int
  public init(
    instructions: UInt64 = Limits.instructionsDefault, time: Duration = Limits.handlerTimeDefault,
    memoryBytes: Int = Limits.memoryBytesDefault
  ) {
    self.instructions = instructions
    self.time = time
    self.memoryBytes = memoryBytes
  }
}

/// One Lua interpreter with its sandbox. Owned by one thread from birth to death; that thread's stack must
/// be at least 2 MiB.
public final class LuaState {
  /// Who answers the script's calls; set before `handle`.
  public unowned(unsafe) var host: (any LuaHost)?

  /// - Parameter modules: what `require "lib.money"` finds, by that name.
  public init(budget: LuaBudget, modules: [String: ScriptSource]) throws(LuaFault) {
    throw LuaFault(kind: .runtime, message: "not built yet")
  }

  /// Runs a handler file once and returns what it registered, in order. Globals are read-only afterwards.
  public func load(_ script: ScriptSource) throws(LuaFault) -> [LuaDefinition] { [] }

  /// Runs a settings file: data only, no constructors; returns its value.
  public func evaluate(_ script: ScriptSource) throws(LuaFault) -> LuaValue { .nil }

  /// The modules that `load` has required so far, directly or not, by name.
  public var requiredModules: Set<String> { [] }

  /// Makes `db` with these tables; before the first `handle` of a projection.
  public func bind(tables: [StoreTable]) throws(LuaFault) {}

  /// Calls `function(event, db)` or `function(event, ctx)` under the budget.
  /// - Parameters:
  ///   - topic: the name of the event's topic.
  ///   - seed: what `math.random` starts from: of handler, topic and event id.
  public func handle(
    _ function: LuaFunction, _ power: LuaPower, record: Record, in batch: RecordBatch, topic: [UInt8],
    seed: Digest
  ) throws(LuaFault) {}

  /// Calls the upcasters in turn, the first with a copy of `data` to change, and appends the result as JSON
  /// to `batch.bytes` (padding kept); returns where it lies.
  public func upcast(
    _ chain: [LuaFunction], record: Record, in batch: RecordBatch, topic: [UInt8], seed: Digest
  ) throws(LuaFault) -> ByteRange { .empty }

  /// Bytes that the state holds now.
  public var memoryBytes: Int { 0 }
  /// A tripped budget or a lack of memory leaves a state unfit: throw it away and load a new one.
  public var isSpent: Bool { false }
}

/// What the second argument of a handler is.
public enum LuaPower: Int32, Sendable {
  /// `db`
  case projection = 1
  /// `ctx`
  case consumer = 2
}
