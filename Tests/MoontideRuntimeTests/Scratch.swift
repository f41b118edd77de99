import Foundation

/// A directory of one test, removed when it is released.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "moontide-runtime-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    do { try FileManager.default.removeItem(atPath: path) } catch { print("cannot remove \(path): \(error)") }
  }

  func file(_ name: String) -> String { path + "/" + name }
}
