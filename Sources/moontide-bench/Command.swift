import Foundation

/// Runs a program to its end.
enum Command {
  /// What it wrote to standard output; throws when it did not exit 0. With `output` it goes to that file.
  @discardableResult
  static func run(_ program: String, _ arguments: [String], output: URL? = nil) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    if let output {
      guard FileManager.default.createFile(atPath: output.path, contents: nil) else {
        throw BenchFault("cannot write \(output.path)")
      }
      process.standardOutput = try FileHandle(forWritingTo: output)
    } else {
      process.standardOutput = pipe
    }
    try process.run()
    let bytes = output == nil ? try pipe.fileHandleForReading.readToEnd() ?? Data() : Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw BenchFault("\(program) \(arguments.first ?? "") ended with \(process.terminationStatus)")
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
