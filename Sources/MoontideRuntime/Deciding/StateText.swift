public import MoontideJSON
import MoontideLua

/// States of deciders as people and tools read them.
public enum StateText {
  /// The state as JSON: lists as arrays, other tables as objects whose names are the keys' texts, an empty
  /// table as `{}`, a number that JSON cannot say as null. Nil when the bytes are not a state.
  public static func json(_ state: [UInt8]) -> JSONValue? { StateCodec.decode(state).map(json) }

  private static func json(_ value: LuaValue) -> JSONValue {
    switch value {
    case .nil, .null, .function: return .null
    case .boolean(let flag): return .boolean(flag)
    case .integer(let number): return .integer(number)
    case .number(let number): return .number(number)
    case .string(let bytes): return .string(String(decoding: bytes, as: UTF8.self))
    case .table(let table):
      let isList =
        !table.entries.isEmpty
        && table.entries.enumerated().allSatisfy { $1.key == .integer(Int64($0 + 1)) }
      if isList { return .array(table.entries.map { json($0.value) }) }
      return .object(table.entries.map { .init(name($0.key), json($0.value)) })
    }
  }

  private static func name(_ key: LuaValue) -> String {
    switch key {
    case .string(let bytes): String(decoding: bytes, as: UTF8.self)
    case .integer(let number): String(number)
    case .number(let number): "\(number)"
    case .boolean(let flag): String(flag)
    default: ""
    }
  }
}
