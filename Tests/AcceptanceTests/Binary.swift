import Foundation

/// The built `moontide`, run as a person would.
enum Binary {
  struct Outcome {
    var status: Int32
    var output: String
    var errors: String
  }

  /// Beside the test bundle.
  static let url = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appending(path: "moontide")

  static func start(_ arguments: [String], output: URL? = nil) throws -> Process {
    let process = Process()
    process.executableURL = url
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// - Parameter deadline: when the process is killed; its status is then SIGKILL's.
  static func run(_ arguments: [String], deadline: Duration? = nil) throws -> Outcome {
    let process = Process()
    process.executableURL = url
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    let folder = FileManager.default.temporaryDirectory.appending(path: "moontide-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { cleanUp(folder) }
    let files = try ["out", "err"].map { name in
      let url = folder.appending(path: name)
      guard FileManager.default.createFile(atPath: url.path, contents: nil) else {
        throw Fault("cannot write \(url.path)")
      }
      return (url, try FileHandle(forWritingTo: url))
    }
    process.standardOutput = files[0].1
    process.standardError = files[1].1
    try process.run()
    if let deadline {
      let identifier = process.processIdentifier
      let killer = DispatchWorkItem { kill(identifier, SIGKILL) }
      DispatchQueue.global().asyncAfter(deadline: .now() + deadline / .seconds(1), execute: killer)
      process.waitUntilExit()
      killer.cancel()
    } else {
      process.waitUntilExit()
    }
    return Outcome(
      status: process.terminationStatus, output: try String(contentsOf: files[0].0, encoding: .utf8),
      errors: try String(contentsOf: files[1].0, encoding: .utf8))
  }

  /// Runs it and throws when it does not exit 0.
  @discardableResult static func succeed(_ arguments: [String]) throws -> String {
    let outcome = try run(arguments)
    guard outcome.status == 0 else {
      throw Fault(
        "moontide \(arguments.joined(separator: " ")) ended with \(outcome.status): \(outcome.errors)")
    }
    return outcome.output
  }

  static func cleanUp(_ folder: URL) {
    do { try FileManager.default.removeItem(at: folder) } catch {
      print("cannot remove \(folder.path): \(error)")
    }
  }
}

struct Fault: Error, CustomStringConvertible {
  let description: String
  init(_ text: String) { description = text }
}
