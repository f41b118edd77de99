import Foundation

/// The example's small HTTP server, until the object goes.
final class Carrier {
  let environment: [String: String]
  private let process = Process()
  private let log: URL

  init() throws {
    log = FileManager.default.temporaryDirectory.appending(path: "moontide-carrier-\(UUID().uuidString)")
    guard FileManager.default.createFile(atPath: log.path, contents: nil) else {
      throw Fault("cannot write \(log.path)")
    }
    let output = Pipe()
    process.executableURL = CheckoutOrders.example.appending(path: "carrier")
    process.environment = ProcessInfo.processInfo.environment.merging(["CARRIER_LOG": log.path]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    try process.run()
    var line = Data()
    while line.last != UInt8(ascii: "\n") {
      let read = output.fileHandleForReading.availableData
      guard !read.isEmpty else { throw Fault("the carrier said no URL") }
      line += read
    }
    var environment: [String: String] = [:]
    for word in String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace) {
      let parts = word.split(separator: "=", maxSplits: 1)
      environment[String(parts[0])] = String(parts[1])
    }
    self.environment = environment
  }

  deinit {
    // Children have the signal mask of this process: only this one always ends them.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    Binary.cleanUp(log)
  }

  /// Key, order and status of each request, in their order.
  func requests() throws -> [(key: String, order: String, status: String)] {
    try String(contentsOf: log, encoding: .utf8).split(separator: "\n").map { line in
      let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      return (parts[0], parts[1], parts[2])
    }
  }
}
