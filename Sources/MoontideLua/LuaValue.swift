/// A value that crossed from Lua by copy: settings, definitions, error objects.
public enum LuaValue: Sendable, Hashable {
  case `nil`
  /// The sentinel `null`: JSON null, SQL NULL.
  case null
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string([UInt8])
  case table(LuaTable)
  case function(LuaFunction)

  /// The text of a string, or nil.
  public var text: String? {
    if case .string(let bytes) = self { return String(decoding: bytes, as: UTF8.self) }
    return nil
  }
}

/// The entries of a table in the order of our `pairs`: numbers ascending, strings by bytes, booleans.
public struct LuaTable: Sendable, Hashable {
  public var entries: [Entry]

  public struct Entry: Sendable, Hashable {
    public var key: LuaValue
    public var value: LuaValue
    public init(key: LuaValue, value: LuaValue) {
      self.key = key
      self.value = value
    }
  }

  public init(_ entries: [Entry] = []) { self.entries = entries }

  public subscript(_ key: String) -> LuaValue? {
    entries.first { $0.key.text == key }?.value
  }
}

/// A function of one Lua state, kept alive by that state; meaningless in another.
public struct LuaFunction: Sendable, Hashable {
  public var reference: Int32
  /// The line where it is defined, from 1.
  public var line: Int
  public init(reference: Int32, line: Int) {
    self.reference = reference
    self.line = line
  }
}

/// A script as text. Bytecode is refused wherever it appears.
public struct ScriptSource: Sendable, Hashable {
  /// Relative to the project: `handlers/orders.lua`; how errors name it.
  public var path: String
  public var text: [UInt8]
  public init(path: String, text: [UInt8]) {
    self.path = path
    self.text = text
  }
}

/// What a script registered: `projection "name" { … }`.
public struct LuaDefinition: Sendable, Hashable {
  /// The constructor: `projection`, `consumer`, `upcaster`, `decider`, `saga`.
  public var kind: String
  public var name: String
  public var path: String
  /// Of the constructor's call, from 1.
  public var line: Int
  public var body: LuaTable
  public init(kind: String, name: String, path: String, line: Int, body: LuaTable) {
    self.kind = kind
    self.name = name
    self.path = path
    self.line = line
    self.body = body
  }
}
