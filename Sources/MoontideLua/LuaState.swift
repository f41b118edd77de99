import CLua
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
  @exclusivity(unchecked) public unowned(unsafe) var host: (any LuaHost)?

  /// Of C; freed with this object.
  private(set) var state: OpaquePointer
  /// What calls of the host are given and give back.
  let arguments = RowBuffer()
  let result = RowBuffer()

  /// - Parameters:
  ///   - modules: what `require "lib.money"` finds, by that name.
  ///   - isDesk: whether it is for lines that a person types, see `LuaDesk.swift`.
  /// - Throws: `memoryBudget` when the budget does not hold the libraries and modules.
  public init(
    budget: LuaBudget, modules: [String: ScriptSource], isDesk: Bool = false
  ) throws(LuaFault) {
    precondition(
      MemoryLayout<Cell>.size == MemoryLayout<mt_cell>.size
        && MemoryLayout<Cell>.stride == MemoryLayout<mt_cell>.stride,
      "Cell has \(MemoryLayout<Cell>.size) bytes, mt_cell \(MemoryLayout<mt_cell>.size)")
    let anchor = LuaCallbacks.Anchor()
    let limits = LuaCallbacks.limits(budget, isDesk: isDesk)
    guard let state = mt_lua_new(limits, LuaCallbacks.table(anchor.context, isDesk: isDesk)) else {
      throw LuaFault(
        kind: .memoryBudget, message: "memory budget: \(budget.memoryBytes) bytes do not hold a Lua state")
    }
    self.state = state
    self.anchor = anchor
    anchor.owner = self
    for (name, source) in modules.sorted(by: { $0.key < $1.key }) {
      let path = Array(source.path.utf8)
      let added = Array(name.utf8).withUnsafeBytes { nameBytes in
        path.withUnsafeBytes { pathBytes in
          source.text.withUnsafeBufferPointer { text in
            mt_lua_add_module(
              state, nameBytes.baseAddress?.assumingMemoryBound(to: CChar.self), nameBytes.count,
              pathBytes.baseAddress?.assumingMemoryBound(to: CChar.self), pathBytes.count, text.baseAddress,
              text.count)
          }
        }
      }
      if added == 0 { throw fault() }
    }
  }

  private let anchor: LuaCallbacks.Anchor

  deinit { mt_lua_free(state) }

  /// Runs a handler file once and returns what it registered, in order. Globals are read-only afterwards.
  /// Several files may be loaded into one state; each has globals of its own.
  public func load(_ script: ScriptSource) throws(LuaFault) -> [LuaDefinition] {
    let value = try run(script, settings: false)
    guard case .table(let list) = value else { preconditionFailure("definitions are \(value)") }
    var definitions: [LuaDefinition] = []
    for entry in list.entries {
      guard case .table(let parts) = entry.value, parts.entries.count == 5,
        let kind = parts.entries[0].value.text, let name = parts.entries[1].value.text,
        let path = parts.entries[2].value.text, case .integer(let line) = parts.entries[3].value,
        case .table(let body) = parts.entries[4].value
      else { preconditionFailure("a definition is \(entry.value)") }
      definitions.append(LuaDefinition(kind: kind, name: name, path: path, line: Int(line), body: body))
    }
    return definitions
  }

  /// Runs a settings file: data only, no constructors; returns its value.
  public func evaluate(_ script: ScriptSource) throws(LuaFault) -> LuaValue {
    try run(script, settings: true)
  }

  private func run(_ script: ScriptSource, settings: Bool) throws(LuaFault) -> LuaValue {
    let path = Array(script.path.utf8)
    let status = path.withUnsafeBytes { pathBytes in
      script.text.withUnsafeBufferPointer { text in
        mt_lua_run(
          state, pathBytes.baseAddress?.assumingMemoryBound(to: CChar.self), pathBytes.count,
          text.baseAddress, text.count, settings ? 1 : 0)
      }
    }
    try check(status)
    guard let value = StateCodec.decode(value(), functions: true) else {
      preconditionFailure("the coding of CLua and StateCodec differ")
    }
    return value
  }

  /// The modules that `load` has required so far, directly or not, by name.
  public var requiredModules: Set<String> {
    mt_lua_required(state)
    return Set(value().split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
  }

  /// All that scripts can call or name, as they do: globals, `LIBRARY.name`, `db:name`, `db.TABLE:name`,
  /// `ctx.name`. Replaces the tables of `db` by none: for a state of its own.
  public func offered() throws(LuaFault) -> Set<String> {
    try check(mt_lua_bind_begin(state))
    try check(mt_lua_offered(state))
    return Set(value().split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
  }

  /// Makes `db` with these tables; before the first `handle` of a projection. A second call replaces them.
  public func bind(tables: [StoreTable]) throws(LuaFault) {
    try check(mt_lua_bind_begin(state))
    for table in tables {
      precondition(
        table.columns.count <= Limits.columnsMax, "\(table.name) has \(table.columns.count) columns")
      var columns: [UInt8] = []
      for column in table.columns { columns += Array(column.utf8) + [0] }
      let status = Array(table.name.utf8 + [0]).withUnsafeBytes { name in
        columns.withUnsafeBytes { columns in
          mt_lua_bind_table(
            state, name.baseAddress?.assumingMemoryBound(to: CChar.self), name.count - 1,
            columns.baseAddress?.assumingMemoryBound(to: CChar.self), columns.count,
            Int32(table.keyColumns.count))
        }
      }
      try check(status)
    }
  }

  /// Calls `function(event, db)` or `function(event, ctx)` under the budget.
  /// - Parameters:
  ///   - topic: the name of the event's topic.
  ///   - seed: of handler and topic; `math.random` starts from it and the event's id.
  public func handle(
    _ function: LuaFunction, _ power: LuaPower, record: Record, in batch: RecordBatch, topic: [UInt8],
    seed: Digest
  ) throws(LuaFault) {
    let status = batch.bytes.withUnsafeBufferPointer { bytes in
      topic.withUnsafeBufferPointer { topic in
        var event = LuaCallbacks.event(record, bytes, topic, seed)
        return mt_lua_handle(state, function.reference, power.rawValue, &event)
      }
    }
    if status != MT_OK { throw fault() }
  }

  /// While the host answers a call: the line of the script that made it, nil when none did.
  public var callingLine: (path: String, line: Int)? {
    var path: UnsafePointer<CChar>?
    let line = mt_lua_calling_line(state, &path)
    return path.map { (String(cString: $0), Int(line)) }
  }

  /// Bytes that the state holds now.
  public var memoryBytes: Int { mt_lua_memory(state) }
  /// A tripped budget or a lack of memory leaves a state unfit: throw it away and load a new one.
  public var isSpent: Bool { mt_lua_spent(state) != 0 }

  /// How high the Lua stack is between calls: 1, where the message handler lies.
  var stackHeight: Int { Int(mt_lua_stack_height(state)) }

  /// A copy of the bytes that the last call left.
  func value() -> [UInt8] {
    let bytes = mt_lua_value(state).pointee
    return Array(UnsafeBufferPointer(start: bytes.bytes, count: bytes.count))
  }

  func check(_ status: Int32) throws(LuaFault) {
    precondition(stackHeight == 1, "the Lua stack is \(stackHeight) high after a call")
    if status != MT_OK { throw fault() }
  }

  private func fault() -> LuaFault { LuaCallbacks.fault(mt_lua_fault(state)) }
}

/// What the second argument of a handler is.
public enum LuaPower: Int32, Sendable {
  /// `db`
  case projection = 1
  /// `ctx`
  case consumer = 2
}
