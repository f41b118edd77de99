import Foundation
import Glibc
import MoontideCore
import MoontideRuntime
import Testing

@testable import MoontideEffects

/// HTTPS with a certificate that nobody vouches for, served by the `openssl` of this machine.
@Suite(.serialized) struct TrustTests {
  private static let openssl = ["/usr/bin/openssl", "/usr/local/bin/openssl"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  @Test(.enabled(if: openssl != nil, "there is no openssl here"))
  func `a server whose certificate nobody vouches for is refused, and gets no request`() throws {
    let rig = try PerformerRig()
    let openssl = try #require(Self.openssl)
    let made = try Self.start(
      openssl,
      [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", rig.root + "/key.pem", "-out",
        rig.root + "/cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
        "subjectAltName=DNS:localhost",
      ], output: nil)
    made.waitUntilExit()
    try #require(made.terminationStatus == 0)
    // Port 0: it says which one it got.
    let output = Pipe()
    let server = try Self.start(
      openssl,
      [
        "s_server", "-accept", "127.0.0.1:0", "-key", rig.root + "/key.pem", "-cert", rig.root + "/cert.pem",
        "-www",
      ],
      output: output)
    defer {
      // Children begin with what the threads of tests block.
      kill(server.processIdentifier, SIGKILL)
      server.waitUntilExit()
    }
    let port = try #require(Self.port(output))
    let outcome = try rig.perform(
      .http, #"{"url":"https://localhost:\#(port)/","json":{"a":1},"timeout":"10s"}"#)
    #expect(outcome.verdict == .failed(blamesTarget: true, retryAfter: nil))
    #expect(outcome.error.hasPrefix("the server is not trusted: "), "\(outcome.error)")
    #expect(outcome.response.isEmpty, "nothing was asked, so nothing came back")
  }

  private static func start(_ program: String, _ arguments: [String], output: Pipe?) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output ?? FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// Of the line `ACCEPT 127.0.0.1:PORT`.
  private static func port(_ output: Pipe) -> Int? {
    var text = ""
    while !text.contains("ACCEPT") || !text.hasSuffix("\n") {
      let part = output.fileHandleForReading.availableData
      if part.isEmpty { return nil }
      text += String(decoding: part, as: UTF8.self)
    }
    let line = text.split(separator: "\n").first { $0.contains("ACCEPT") } ?? ""
    return line.split(separator: ":").last.flatMap { Int($0.prefix(while: \.isNumber)) }
  }
}
