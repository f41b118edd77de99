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

  static func start(_ arguments: [String], environment: [String: String] = [:]) throws -> Process {
    let process = Process()
    process.executableURL = url
    process.arguments = arguments
    if !environment.isEmpty {
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    }
    process.standardInput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// - Parameters:
  ///   - environment: variables beside those of this process.
  ///   - input: what it reads from stdin; nil: nothing.
  ///   - deadline: when the process is killed; its status is then SIGKILL's.
  static func run(
    _ arguments: [String], environment: [String: String] = [:], deadline: Duration? = nil,
    input: String? = nil
  ) throws -> Outcome {
    let process = Process()
    process.executableURL = url
    process.arguments = arguments
    if !environment.isEmpty {
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    }
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
    if let input {
      let url = folder.appending(path: "in")
      try input.write(to: url, atomically: true, encoding: .utf8)
      process.standardInput = try FileHandle(forReadingFrom: url)
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

  /// Runs it; how much memory it held at most, as the kernel counted. What `wait4` tells would include the
  /// memory of this process, from which it was forked; so its own figure is read until it ends.
  static func peakBytes(_ arguments: [String]) throws -> Int {
    var words = ([url.path] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var identifier: pid_t = 0
    guard posix_spawn(&identifier, url.path, nil, nil, &words, environ) == 0 else {
      throw Fault("cannot start \(url.path)")
    }
    var status: Int32 = 0
    var peak = 0
    while waitpid(identifier, &status, WNOHANG) == 0 {
      let text = FileManager.default.contents(atPath: "/proc/\(identifier)/status") ?? Data()
      let words = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace)
      guard words.contains("moontide"), let at = words.firstIndex(of: "VmHWM:") else { continue }
      peak = max(peak, (Int(words[at + 1]) ?? 0) << 10)
    }
    guard status == 0, peak > 0 else {
      throw Fault("moontide \(arguments.joined(separator: " ")) ended with status \(status), \(peak) bytes")
    }
    return peak
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
