import MoontideLua

/// What a person or an editor is told of the functions that scripts can call, as `LuaManual` has it.
public enum ScriptManual {
  public struct Entry: Sendable, Hashable {
    /// As a script calls it: `ctx.emit`, `db.TABLE:put`, `reject`.
    public var name: String
    /// With its parameters and what it returns: `ctx.emit(event: NewEvent) → string`.
    public var signature: String
    /// A sentence or two.
    public var text: String
  }

  /// Every function, in the order of the manual. What consumers and sagas both have is there twice.
  public static let functions: [Entry] = LuaManual.functions.map { name, function in
    let parameters = function.parameters.map { parameter in
      "\(parameter.name)\(parameter.isOptional ? "?" : ""): \(parameter.type)"
    }
    let returns = function.returns.map { " → \($0)" } ?? ""
    return Entry(
      name: name, signature: "\(name)(\(parameters.joined(separator: ", ")))\(returns)", text: function.text)
  }

  /// Names of what can stand behind `event.`, `command.`, `ctx.`, `db.` or `db.TABLE:`, by those words, and
  /// the global names by an empty one; for completion.
  public static let members: [String: [String]] = {
    var members: [String: Set<String>] = [:]
    for entry in LuaManual.chapters.flatMap(\.entries) {
      switch entry {
      case .alias: break
      case .value(let value): members["", default: []].insert(value.name)
      case .function(let function): members["", default: []].insert(function.name)
      case .type(let type):
        if type.isValue { members["", default: []].insert(type.name) }
        guard let shown = type.shown ?? (type.isValue ? type.name : nil) else { continue }
        let fields = type.fields.map(\.name).filter { !$0.hasPrefix("[") }
        members[shown, default: []].formUnion(fields + type.functions.map { String($0.name.dropFirst()) })
      }
    }
    return members.mapValues { $0.sorted() }
  }()

  /// All of it for editors with a LuaCATS server (lua-language-server, EmmyLua): a file that is never loaded.
  /// <https://luals.github.io/wiki/annotations/>
  public static let stubs: String = {
    var lines = [
      "---@meta", "", "-- Written by `moontide new`; a copy for your editor, never loaded.", "",
    ]
    for chapter in LuaManual.chapters {
      lines += ["-- \(chapter.title)", ""]
      for entry in chapter.entries { lines += written(entry) + [""] }
    }
    return lines.joined(separator: "\n")
  }()

  private static func written(_ entry: ManualEntry) -> [String] {
    switch entry {
    case .alias(let alias): ["---@alias \(alias.name) \(spaced(alias.type, alias.text))"]
    case .value(let value): comment(value.text) + ["---@type \(value.type)", "\(value.name) = {}"]
    case .function(let function): written(function, of: "")
    case .type(let type): written(type)
    }
  }

  private static func written(_ type: ManualType) -> [String] {
    var lines = comment(type.text)
    lines.append("---@class \(type.name)" + (type.parent.map { " : \($0)" } ?? ""))
    lines += type.fields.map { field in
      "---@field \(field.name)\(field.isOptional ? "?" : "") \(spaced(field.type, field.text))"
    }
    lines += type.operators.map { "---@operator \($0)" }
    if type.isValue {
      lines.append("\(type.name) = {}")
    } else if !type.functions.isEmpty {
      lines.append("local \(type.name) = {}")
    }
    return lines + type.functions.flatMap { written($0, of: type.name) }
  }

  private static func written(_ function: ManualFunction, of type: String) -> [String] {
    var lines = comment(function.text)
    // What overloads say of a parameter is all there is.
    let described = function.overloads.isEmpty ? function.parameters : []
    lines += described.map { parameter in
      let mark = parameter.isOptional ? "?" : ""
      return "---@param \(parameter.name)\(mark) \(spaced(parameter.type, parameter.text))"
    }
    if let returns = function.returns { lines.append("---@return \(returns)") }
    lines += function.overloads.map { "---@overload \($0)" }
    let names = function.parameters.map(\.name).joined(separator: ", ")
    return lines + ["function \(type)\(function.name)(\(names)) end"]
  }

  private static func comment(_ text: String) -> [String] { text.isEmpty ? [] : ["---\(text)"] }

  private static func spaced(_ first: String, _ second: String) -> String {
    second.isEmpty ? first : first + " " + second
  }
}
