import Foundation

/// The shell of SQLite, as an observer that is not ours.
enum Sqlite {
  static func dump(_ database: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sqlite3", "-readonly", database, ".dump"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Fault("sqlite3 cannot dump \(database): \(process.terminationStatus)")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Runs a script of statements and dot commands; what it prints.
  static func run(_ database: String, _ script: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sqlite3", "-batch", "-bail", database]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    // Less than a pipe holds: written before anything is read.
    try input.fileHandleForWriting.write(contentsOf: Data((script + "\n").utf8))
    try input.fileHandleForWriting.close()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Fault("sqlite3 refuses: \(script)")
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
