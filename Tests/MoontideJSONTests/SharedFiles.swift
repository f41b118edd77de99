import Foundation

/// The shared folder beside the project, whose files the project never copies.
enum SharedFiles {
  struct Missing: Error, CustomStringConvertible {
    let path: String
    var description: String { "this test needs \(path), which is not there" }
  }

  static func path(_ relative: String, from file: String = #filePath) throws -> String {
    let project = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path = project.deletingLastPathComponent().appendingPathComponent("shared/\(relative)").path
    guard FileManager.default.fileExists(atPath: path) else { throw Missing(path: path) }
    return path
  }
}
