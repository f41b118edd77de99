import Foundation
import Glibc

/// A run of the binary that goes on, its stderr in a file; killed with the object.
final class LiveRun {
  let process: Process
  private let log: URL

  /// - Parameter limits: what the shell sets before, such as `ulimit -S -n 16`.
  init(_ arguments: [String], limits: String = "true") throws {
    log = FileManager.default.temporaryDirectory.appending(path: "moontide-run-\(UUID().uuidString)")
    guard FileManager.default.createFile(atPath: log.path, contents: nil) else {
      throw Fault("cannot write \(log.path)")
    }
    process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "\(limits); exec \"$0\" \"$@\"", Binary.url.path] + arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = try FileHandle(forWritingTo: log)
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    Binary.cleanUp(log)
  }

  func errors() throws -> String { String(decoding: try Data(contentsOf: log), as: UTF8.self) }

  /// The same for the message of an expectation.
  var told: String {
    do { return try errors() } catch { return "\(error)" }
  }

  /// Until its stderr has that text; throws after 30 s, or when it ends without.
  func waitForError(_ text: String) throws {
    try LiveRun.wait("\(text) on stderr") { [self] in
      if try errors().contains(text) { return true }
      if !process.isRunning { throw Fault("it ended without \(text): \(try errors())") }
      return false
    }
  }

  /// What it has open whose path has that text; ` (deleted)` stands behind a name that is gone.
  func files(with text: String) throws -> [String] {
    let folder = "/proc/\(process.processIdentifier)/fd"
    return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { number in
      var name = [CChar](repeating: 0, count: 4_096)
      let count = readlink("\(folder)/\(number)", &name, name.count)
      // Closed since it was listed.
      guard count >= 0 else { return nil }
      let path = String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return path.contains(text) ? path : nil
    }
  }

  /// Raises what `ulimit -S -n` set.
  func allowDescriptors(_ count: Int) throws {
    let raising = try Process.run(
      URL(fileURLWithPath: "/usr/bin/env"),
      arguments: ["prlimit", "--pid", "\(process.processIdentifier)", "--nofile=\(count):"])
    raising.waitUntilExit()
    guard raising.terminationStatus == 0 else {
      throw Fault("prlimit cannot raise the descriptors of the run")
    }
  }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Ends it as Ctrl-C does; returns its exit code, or minus the signal that ended it.
  func interrupt() -> Int32 {
    signal(SIGINT)
    return status()
  }

  func status() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .uncaughtSignal
      ? -process.terminationStatus : process.terminationStatus
  }

  /// Asks again and again, for 30 s at the longest.
  static func wait(_ what: String, until holds: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < end {
      if try holds() { return }
      usleep(20_000)
    }
    throw Fault("30 s without \(what)")
  }
}
