/// Rule 8: where C and unsafe code live.
enum BoundaryRules {
  /// Rooms and files that may name a pointer, each for its reason.
  static let unsafePlaces = [
    "Sources/MoontideLua/",  // the Lua state and its callbacks
    "Sources/MoontideSQLite/",  // connections and statements
    "Sources/MoontideLog/",  // records in place, and PosixFile
    "Sources/MoontideJSON/",  // simdjson's documents
    "Sources/MoontideEffects/",  // libcurl's requests, what C gives back
    "Sources/MoontideCore/Digest.swift",  // pure C over a buffer that Swift holds
    "Sources/MoontideCore/Partitioner.swift",  // the same
    "Sources/MoontideHost/Ingest/",  // zlib's streams, lines in place
    "Sources/MoontideHost/Control/ControlSocket.swift",  // the address of a Unix socket
    "Sources/MoontideHost/Control/ControlServer.swift",  // its thread
    "Sources/MoontideHost/Run/WorkerThread.swift",  // a thread with a stack of its own size
    "Sources/MoontideHost/Run/Bell.swift",  // an eventfd's eight bytes
    "Sources/moontide/Repl/LinePrompt.swift",  // libedit's hooks
    "Sources/moontide-bench/",  // measures C beside us
  ]

  static func findings(in file: SourceFile) -> [Finding] {
    guard file.isSwift, file.room != nil else { return [] }
    let mayPoint = unsafePlaces.contains { file.path.hasPrefix($0) }
    var findings: [Finding] = []
    for token in file.tokens {
      if isRaisingCall(token.text) {
        findings.append(
          file.finding(
            token.line, "\(token.text): Swift calls the Lua API, which may raise through it",
            mend: "call it in CLua behind a function that returns a status"))
      }
      if !mayPoint, isPointer(token.text) {
        findings.append(
          file.finding(
            token.line, "\(token.text): unsafe code outside of its rooms",
            mend: "move it into \(unsafePlaces.prefix(4).joined(separator: ", ")), or do without"))
      }
    }
    return findings
  }

  private static func isRaisingCall(_ word: String) -> Bool {
    word.hasPrefix("lua_") || word.hasPrefix("luaL_")
  }

  private static func isPointer(_ word: String) -> Bool {
    word == "OpaquePointer" || word == "Unmanaged" || word == "unsafeBitCast" || word.hasPrefix("withUnsafe")
      || (word.hasPrefix("Unsafe") && word.hasSuffix("Pointer"))
  }
}
