@testable import MoontideLua
import Testing

/// What people and editors are told of the sandbox, against the sandbox itself.
@Suite struct LuaManualTests {
  /// What Lua 5.4 has by itself, as far as the sandbox keeps it: editors and people know it.
  private static let plain: Set = [
    "_G", "_VERSION", "assert", "coroutine", "error", "getmetatable", "ipairs", "math", "next", "os", "pairs",
    "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require", "select", "setmetatable", "string",
    "table", "tonumber", "tostring", "type", "utf8", "xpcall",
    "coroutine.create", "coroutine.isyieldable", "coroutine.resume", "coroutine.running", "coroutine.status",
    "coroutine.wrap", "coroutine.yield", "os.date", "os.time", "table.concat", "table.insert", "table.move",
    "table.pack", "table.remove", "table.sort", "table.unpack", "utf8.char", "utf8.charpattern",
    "utf8.codepoint", "utf8.codes", "utf8.len", "utf8.offset", "string.byte", "string.char", "string.find",
    "string.format", "string.gmatch", "string.gsub", "string.len", "string.lower", "string.match",
    "string.pack", "string.packsize", "string.rep", "string.reverse", "string.sub", "string.unpack",
    "string.upper", "math.abs", "math.acos", "math.asin", "math.atan", "math.ceil", "math.cos", "math.deg",
    "math.exp", "math.floor", "math.fmod", "math.huge", "math.log", "math.max", "math.maxinteger",
    "math.min", "math.mininteger", "math.modf", "math.pi", "math.rad", "math.random", "math.randomseed",
    "math.sin", "math.sqrt", "math.tan", "math.tointeger", "math.type", "math.ult",
    // Lua as Debian builds it.
    "math.atan2", "math.cosh", "math.frexp", "math.ldexp", "math.log10", "math.pow", "math.sinh", "math.tanh",
  ]

  private func documented() -> Set<String> {
    var names = Set(LuaManual.functions.map(\.name))
    for entry in LuaManual.chapters.flatMap(\.entries) {
      switch entry {
      case .value(let value): names.insert(value.name)
      case .type(let type):
        if type.isValue { names.insert(type.name) }
        if type.shown == "ctx" {
          names.formUnion(type.fields.filter { $0.name == "env" }.map { "ctx.\($0.name)" })
        }
      case .alias, .function: break
      }
    }
    return names
  }

  @Test func `all that the sandbox offers is in the manual, and nothing else is`() throws {
    let offered = try LuaState(budget: LuaBudget(), modules: [:]).offered()
    #expect(offered.isSuperset(of: ["projection", "table.copy", "db:query", "db.TABLE:put", "ctx.emit"]))
    let own = offered.subtracting(Self.plain)
    let documented = documented()
    #expect(own.subtracting(documented).isEmpty, "no doc has \(own.subtracting(documented).sorted())")
    #expect(documented.subtracting(own).isEmpty, "nobody offers \(documented.subtracting(own).sorted())")
  }

  @Test func `every function says what it does, and no name stands for two`() {
    for (name, function) in LuaManual.functions {
      #expect(!function.text.isEmpty, "\(name)")
      #expect(Set(function.parameters.map(\.name)).count == function.parameters.count, "\(name)")
    }
    for type in LuaManual.types.values {
      #expect(Set(type.fields.map(\.name)).count == type.fields.count, "\(type.name)")
    }
  }

  @Test func `every type that is named is described`() {
    let known = Set(LuaManual.types.keys).union([
      "string", "integer", "number", "boolean", "table", "any", "nil", "fun", "null", "true", "false",
    ])
    var aliases: Set<String> = []
    var named: [(place: String, type: String)] = []
    for entry in LuaManual.chapters.flatMap(\.entries) {
      switch entry {
      case .alias(let alias):
        aliases.insert(alias.name)
        named.append((alias.name, alias.type))
      case .value(let value): named.append((value.name, value.type))
      case .function(let function): named += function.parameters.map { (function.name, $0.type) }
      case .type(let type):
        if let parent = type.parent { named.append((type.name, parent)) }
        named += type.fields.map { ("\(type.name).\($0.name)", $0.type) }
        for function in type.functions { named += function.parameters.map { (function.name, $0.type) } }
      }
    }
    #expect(named.count > 100)
    for (place, type) in named {
      // Types begin with a capital; parameters of `fun(…)` and texts in quotes do not count.
      let words = type.split { !($0.isLetter || $0 == "\"") }.map(String.init)
      for word in words where word.first?.isUppercase == true {
        #expect(known.contains(word) || aliases.contains(word), "\(place): \(word)")
      }
    }
  }
}
