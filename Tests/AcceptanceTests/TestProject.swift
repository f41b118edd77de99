import Foundation
import BorrowedFixtures

/// A project in a temporary folder; removed with the object.
final class TestProject {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "moontide-project-\(UUID().uuidString)")
    for name in ["events", "handlers"] {
      try FileManager.default.createDirectory(
        at: folder.appending(path: name), withIntermediateDirectories: true)
    }
  }

  deinit { Binary.cleanUp(folder) }

  var path: String { folder.path }

  func write(_ text: String, to name: String) throws {
    let url = folder.appending(path: name)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try text.write(to: url, atomically: true, encoding: .utf8)
  }

  /// The handlers of one of the projects beside this file, and its modules.
  func useHandlers(of name: String) throws {
    for part in ["handlers", "lib"] {
      let source = TestProject.projects.appending(path: "\(name)/\(part)")
      guard FileManager.default.fileExists(atPath: source.path) else { continue }
      for file in try FileManager.default.contentsOfDirectory(at: source, includingPropertiesForKeys: nil) {
        let copy = folder.appending(path: "\(part)/\(file.lastPathComponent)")
        try FileManager.default.createDirectory(
          at: copy.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: file, to: copy)
      }
    }
  }

  /// One of the shared event sets, packed as it is.
  func useEvents(of set: String) throws {
    try FileManager.default.copyItem(
      at: try BorrowedFixtures.events(set), to: folder.appending(path: "events/\(set).jsonl.gz"))
  }

  func runOnce(_ more: [String] = []) throws { try Binary.succeed(["run", path, "--once", "-q"] + more) }

  /// Rows of a query as JSON arrays of values, in the order of the columns.
  func query(_ sql: String, _ more: [String] = []) throws -> [[JSONCell]] {
    let text = try Binary.succeed(["query", path, sql, "-o", "csv"] + more)
    return text.split(separator: "\r\n", omittingEmptySubsequences: true).flatMap {
      $0.split(separator: "\n")
    }
    .dropFirst().map { line in
      line.split(separator: ",", omittingEmptySubsequences: false).map { JSONCell(String($0)) }
    }
  }

  /// The `.dump` of a read model.
  func dump(_ name: String) throws -> String {
    try Sqlite.dump(folder.appending(path: "data/readmodels/\(name).sqlite").path)
  }

  static let projects = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
    path: "Projects")

  static func questions(_ name: String) throws -> [String: String] {
    try JSONDecoder().decode(
      [String: String].self, from: Data(contentsOf: projects.appending(path: "\(name)/questions.json")))
  }

}

/// A value of an answer, compared as text: numbers exactly as they are written.
struct JSONCell: Hashable, CustomStringConvertible {
  let description: String
  init(_ text: String) {
    let isQuoted = text.count >= 2 && text.first == "\"" && text.last == "\""
    description = isQuoted ? String(text.dropFirst().dropLast()) : text
  }
  init(json: Any) { description = json is NSNull ? "" : "\(json)" }
}
