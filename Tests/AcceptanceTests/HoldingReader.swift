import Foundation
import Glibc

/// The shell of SQLite with a file open in a transaction that it does not end.
final class HoldingReader {
  private let process = Process()
  private let input = Pipe()

  init(_ database: String) throws {
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sqlite3", "-batch", database]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try input.fileHandleForWriting.write(
      contentsOf: Data("begin; select count(*) from sqlite_schema;\n".utf8))
    // It has read once it answers.
    guard !output.fileHandleForReading.availableData.isEmpty else { throw Fault("sqlite3 reads nothing") }
  }

  deinit { end() }

  func end() {
    guard process.isRunning else { return }
    // Like a crash: it closes nothing. Other signals are blocked in what a thread of the tests starts.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }
}
