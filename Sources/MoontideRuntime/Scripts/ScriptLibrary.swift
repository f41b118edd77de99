public import MoontideCore
public import MoontideLua

/// All scripts of a project as they were read: what versions are made of and errors point into.
public struct ScriptLibrary: Sendable {
  public let handlers: [ScriptSource]
  /// By the name that `require` finds them under: `lib.money`.
  public let modules: [String: ScriptSource]
  private let tokensByPath: [String: ScriptTokens]

  public init(handlers: [ScriptSource], modules: [String: ScriptSource]) {
    self.handlers = handlers
    self.modules = modules
    var tokens: [String: ScriptTokens] = [:]
    for script in handlers + modules.values where script.text.count <= Limits.scriptBytesMax {
      tokens[script.path] = ScriptTokens(script)
    }
    tokensByPath = tokens
  }

  /// The tokens of a script by its path, or nil for a file that is not of the project.
  public func tokens(_ path: String) -> ScriptTokens? { tokensByPath[path] }

  /// The handler file of that path.
  public func handler(_ path: String) -> ScriptSource? { handlers.first { $0.path == path } }

  /// The place in a script, with its line, pointing at `blamed` when the line has it.
  public func place(path: String, line: Int, blaming blamed: String? = nil, label: String = "") -> SourcePlace
  {
    tokensByPath[path]?.place(line: line, blaming: blamed, label: label)
      ?? SourcePlace(file: path, line: line)
  }

  /// The modules that a script may require, directly or not: those that it did, and those that it names
  /// in `require "…"`, so that a module required late counts too.
  func modules(requiredBy path: String, loaded: Set<String>) -> [String] {
    var found = loaded.filter { modules[$0] != nil }
    var open = [path] + found.compactMap { modules[$0]?.path }
    while let next = open.popLast() {
      for name in requireNames(in: next) where found.insert(name).inserted {
        if let path = modules[name]?.path { open.append(path) }
      }
    }
    return found.sorted()
  }

  private func requireNames(in path: String) -> [String] {
    guard let script = tokensByPath[path] else { return [] }
    return script.tokens.indices.compactMap { index in
      guard script.tokens[index].kind == .name, script.text(script.tokens[index]) == "require" else {
        return nil
      }
      let next = script.isSymbol(index + 1, "(") ? index + 2 : index + 1
      guard next < script.tokens.count, let content = script.content(of: script.tokens[next]) else {
        return nil
      }
      let name = String(decoding: content, as: UTF8.self)
      return modules[name] == nil ? nil : name
    }
  }

  /// The content of a file and of all modules that it may require.
  func version(of path: String, loaded: Set<String>) -> Digest {
    var digest = tokensByPath[path]?.digest ?? .zero
    for name in modules(requiredBy: path, loaded: loaded) {
      guard let module = modules[name], let tokens = tokensByPath[module.path] else { continue }
      let content = tokens.digest
      digest = digest.adding(name).adding(content.high).adding(content.low)
    }
    return digest
  }
}
