/// The edges between the rooms: who may import whom.
enum ImportRules {
  /// Of our own targets and of other packages. What a room may import of the system is below.
  static let edges: [String: Set<String>] = [
    "MoontideCore": ["CChecksum"],
    "MoontideJSON": ["MoontideCore", "CSimdjson"],
    "MoontideLog": ["MoontideCore"],
    "MoontideLua": ["MoontideCore", "CLua"],
    "MoontideSQLite": ["MoontideCore", "CSQLite"],
    "MoontideRuntime": ["MoontideCore", "MoontideJSON", "MoontideLua"],
    "MoontideEffects": ["MoontideCore", "MoontideJSON", "MoontideRuntime", "CEffects"],
    "MoontideHost": [
      "MoontideCore", "MoontideJSON", "MoontideLog", "MoontideLua", "MoontideSQLite", "MoontideRuntime",
      "MoontideEffects", "CZlib",
    ],
    "moontide": ["MoontideCore", "MoontideHost", "CEdit", "ArgumentParser"],
    "moontide-bench": [
      "MoontideCore", "MoontideJSON", "MoontideLog", "MoontideLua", "MoontideSQLite", "MoontideRuntime",
      "MoontideHost", "ArgumentParser", "CBenchFloor",
    ],
  ]
  /// Rooms without I/O, or behind seams, do without the operating system.
  static let system: [String: Set<String>] = [
    "MoontideCore": ["Synchronization"],
    "MoontideJSON": ["Glibc", "Synchronization"],
    "MoontideLog": ["Glibc", "Synchronization"],
    "MoontideLua": ["Glibc", "Synchronization"],
    "MoontideSQLite": ["Glibc", "Synchronization"],
    "MoontideRuntime": ["Synchronization"],
    "MoontideEffects": ["Glibc", "Synchronization"],
    "MoontideHost": ["Glibc", "Synchronization", "Dispatch", "FoundationEssentials"],
    "moontide": ["Glibc", "Synchronization", "Dispatch"],
    "moontide-bench": ["Glibc", "Synchronization", "Dispatch", "Foundation"],
  ]
  /// Headers of libraries, and the C rooms that may include them.
  static let headers: [(prefix: String, rooms: Set<String>)] = [
    ("lua.h", ["CLua", "CLuaLibrary"]), ("lauxlib.h", ["CLua", "CLuaLibrary"]),
    ("lualib.h", ["CLua", "CLuaLibrary"]), ("sqlite3.h", ["CSQLite", "CSQLiteLibrary", "CBenchFloor"]),
    ("simdjson.h", ["CSimdjson", "CBenchFloor"]),
    ("simdjson_c.h", ["CSimdjson", "CLua", "CBenchFloor"]), ("zlib.h", ["CZlib"]),
    ("curl.h", ["CCurl", "CEffects"]), ("histedit.h", ["CEdit", "CEditLibrary"]),
  ]
  /// Rooms whose functions may suspend.
  static let asynchronous: Set<String> = ["MoontideHost", "MoontideHTTP"]

  static func findings(in file: SourceFile) -> [Finding] {
    guard let room = file.room else { return [] }
    return file.isSwift ? imports(file, room) + suspensions(file, room) : includes(file, room)
  }

  private static func imports(_ file: SourceFile, _ room: String) -> [Finding] {
    guard let allowed = edges[room], let system = system[room] else {
      return [
        file.finding(
          1, "the room \(room) has no edges", mend: "add it to ImportRules.edges and to architecture")
      ]
    }
    let tokens = file.tokens
    return tokens.indices.dropLast().compactMap { index in
      guard tokens[index].text == "import" else { return nil }
      var name = tokens[index + 1].text
      if ["struct", "class", "enum", "func", "protocol", "var", "typealias"].contains(name),
        index + 2 < tokens.count
      {
        name = tokens[index + 2].text
      }
      if name == room || allowed.contains(name) || system.contains(name) { return nil }
      let mend =
        name.hasPrefix("Moontide") || name.hasPrefix("C")
        ? "go through a seam in MoontideCore, or record a decision and add the edge" : "do without it here"
      return file.finding(tokens[index].line, "\(room) imports \(name)", mend: mend)
    }
  }

  private static func suspensions(_ file: SourceFile, _ room: String) -> [Finding] {
    guard !asynchronous.contains(room) else { return [] }
    return file.tokens.filter { $0.text == "async" || $0.text == "await" }.map { token in
      file.finding(
        token.line, "\(token.text) in \(room)", mend: "seams are synchronous; a worker owns its thread")
    }
  }

  private static func includes(_ file: SourceFile, _ room: String) -> [Finding] {
    file.lines.enumerated().compactMap { index, line in
      guard line.hasPrefix("#include") else { return nil }
      let header = String(
        line.dropFirst("#include".count).filter { $0 != " " && $0 != "\"" && $0 != "<" && $0 != ">" })
      guard let rule = headers.first(where: { header == $0.prefix || header.hasSuffix("/" + $0.prefix) }),
        !rule.rooms.contains(room)
      else { return nil }
      return file.finding(
        index + 1, "\(room) includes \(header)",
        mend: "only \(rule.rooms.sorted().joined(separator: ", ")) may; go through its functions")
    }
  }
}
