import Foundation
import Glibc

/// The binary with a text on stdin, in a folder of its own, its time and its memory measured from outside.
final class WatchedProcess {
  struct Outcome {
    var status: Int32
    var errors: String
    var seconds: Double
    /// The most memory it held, as far as it was seen.
    var peakBytes: Int
  }

  private let process = Process()
  private let scratch: URL
  private let began: ContinuousClock.Instant

  init(_ arguments: [String], input: String, folder: String) throws {
    scratch = FileManager.default.temporaryDirectory.appending(path: "moontide-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    let files = scratch
    func file(_ name: String, _ text: String) throws -> URL {
      let url = files.appending(path: name)
      try Data(text.utf8).write(to: url)
      return url
    }
    process.executableURL = Binary.url
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    // Where SQLite would put files if it made any.
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["TMPDIR": folder, "SQLITE_TMPDIR": folder]
    ) { $1 }
    process.standardInput = try FileHandle(forReadingFrom: try file("in", input))
    process.standardOutput = FileHandle.nullDevice
    process.standardError = try FileHandle(forWritingTo: try file("err", ""))
    began = .now
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    Binary.cleanUp(scratch)
  }

  /// Waits for its end; kills it when that does not come, which is the status -9 then.
  func finish(within seconds: Double) throws -> Outcome {
    var peak = 0
    var wasKilled = false
    while process.isRunning {
      peak = max(peak, try WatchedProcess.peakBytes(of: process.processIdentifier))
      if (ContinuousClock.now - began) / .seconds(1) > seconds {
        kill(process.processIdentifier, SIGKILL)
        wasKilled = true
        process.waitUntilExit()
      }
      usleep(2_000)
    }
    let time = (ContinuousClock.now - began) / .seconds(1)
    let errors = String(decoding: try Data(contentsOf: scratch.appending(path: "err")), as: UTF8.self)
    let bySignal = wasKilled || process.terminationReason == .uncaughtSignal
    return Outcome(
      status: bySignal ? -process.terminationStatus : process.terminationStatus, errors: errors,
      seconds: time, peakBytes: peak)
  }

  /// The most memory that a process held so far; 0 when it has ended.
  static func peakBytes(of identifier: pid_t) throws -> Int {
    guard let text = FileManager.default.contents(atPath: "/proc/\(identifier)/status") else { return 0 }
    let words = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard words.contains("moontide"), let at = words.firstIndex(of: "VmHWM:") else { return 0 }
    return (Int(words[at + 1]) ?? 0) << 10
  }
}
