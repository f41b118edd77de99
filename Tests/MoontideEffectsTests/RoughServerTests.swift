import Foundation
import Glibc
import MoontideCore
import MoontideRuntime
import SmallServer
import Testing

@testable import MoontideEffects

/// Servers that do what no server should.
@Suite(.serialized) struct RoughServerTests {
  private static let unwell = EffectOutcome.Verdict.failed(blamesTarget: true, retryAfter: nil)

  @Test func `an answer that came twice is never taken for that of another request`() throws {
    let server = try SmallServer { request, _ in
      request.path == "/twice" ? .twice(200, body: "once") : .staying(500, body: "no")
    }
    defer { server.stop() }
    let rig = try PerformerRig()
    for round in 0..<5 {
      #expect(try rig.perform(.http, #"{"url":"\#(server.url)/twice"}"#, key: "a-\(round)").verdict == .done)
      // The second answer is on its way, or there.
      usleep(round % 2 == 0 ? 60_000 : 5_000)
      let other = try rig.perform(.http, #"{"url":"\#(server.url)/other"}"#, key: "b-\(round)")
      #expect(other.error == "the server answered 500", "what nobody has done must not count as done")
    }
    #expect(server.requests.count == 10)
  }

  @Test(arguments: [
    "garbage\r\n\r\nmore of it", "HTTP/9.9 what\r\n\r\n", "\u{0}\u{1}\u{2}",
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnope",
    "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nshort", "HTTP/1.1 20",
  ])
  func `what is no whole answer of HTTP fails its try, and another one may do`(text: String) throws {
    let server = try SmallServer { _, _ in .raw(text) }
    defer { server.stop() }
    let outcome = try PerformerRig().perform(.http, #"{"url":"\#(server.url)/","timeout":"5s"}"#)
    #expect(outcome.verdict == Self.unwell, "\(outcome)")
    let isPlain = ["the answer cannot be read: ", "the connection broke: "].contains {
      outcome.error.hasPrefix($0)
    }
    #expect(isPlain, "\(outcome.error)")
  }

  @Test func `a connection that is reset fails its try`() throws {
    let server = try SmallServer { _, _ in .resetting }
    defer { server.stop() }
    let outcome = try PerformerRig().perform(.http, #"{"url":"\#(server.url)/"}"#)
    #expect(outcome.verdict == Self.unwell && outcome.error.hasPrefix("the connection broke: "), "\(outcome)")
  }

  @Test(arguments: ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX-A: 1"])
  func `an answer that comes drop by drop ends with the time of its try`(start: String) throws {
    let server = try SmallServer { _, _ in .endless(start, "x", times: 500, milliseconds: 20) }
    defer { server.stop() }
    let rig = try PerformerRig()
    let began = ContinuousClock.now
    let outcome = try rig.perform(.http, #"{"url":"\#(server.url)/","timeout":"300ms"}"#)
    #expect(outcome.verdict == Self.unwell && outcome.error == "no answer within 300ms", "\(outcome)")
    #expect(ContinuousClock.now - began < .seconds(5))
  }

  @Test func `headers without an end are refused, and no memory is taken for them`() throws {
    let line = "X-Long: " + String(repeating: "y", count: 8_000) + "\r\n"
    let lines = String(repeating: line, count: 64)
    let server = try SmallServer { _, _ in
      .endless("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", lines, times: 100, milliseconds: 0)
    }
    defer { server.stop() }
    let outcome = try PerformerRig().perform(.http, #"{"url":"\#(server.url)/","timeout":"20s"}"#)
    #expect(outcome.verdict != .done, "\(outcome)")
    #expect(outcome.error != "no answer within 20s", "it was read for as long as it was allowed to be")
  }

  @Test func `a header of blanks alone is sent as an empty one`() throws {
    let server = try SmallServer { _, _ in .init(200) }
    defer { server.stop() }
    let outcome = try PerformerRig().perform(
      .http, #"{"url":"\#(server.url)/","headers":{"X-Blank":"  ","User-Agent":"mine"}}"#)
    #expect(outcome.verdict == .done)
    let headers = try #require(server.requests.first).headers
    #expect(headers["x-blank"] == "" && headers["user-agent"] == "mine", "\(headers)")
  }

  @Test func `no descriptor and no process is left of many effects`() throws {
    let server = try SmallServer { request, times in
      request.path == "/bad" ? .resetting : request.path == "/late" ? .hanging : .init(200)
    }
    defer { server.stop() }
    let rig = try PerformerRig(
      programs: ["ok": "ok.sh", "late": "late.sh", "none": "none.sh"], variables: ["PATH=/usr/bin:/bin"])
    try rig.script("ok.sh", "cat > /dev/null; echo ok")
    try rig.script("late.sh", "sleep 1000 & sleep 1000")
    func round(_ name: String) throws {
      for index in 0..<10 {
        for (path, timeout) in [("good", "5s"), ("bad", "5s"), ("late", "100ms")] {
          rig.begin(
            "\(name)-\(index)-\(path)", .http, #"{"url":"\#(server.url)/\#(path)","timeout":"\#(timeout)"}"#)
        }
        for program in ["ok", "none"] {
          rig.begin("\(name)-\(index)-\(program)", .exec, #"{"program":"\#(program)","stdin":"x"}"#)
        }
      }
      rig.begin("\(name)-slow", .exec, #"{"program":"late","timeout":"100ms"}"#)
      for index in 0..<10 {
        for what in ["good", "bad", "late", "ok", "none"] { _ = try rig.outcome("\(name)-\(index)-\(what)") }
      }
      _ = try rig.outcome("\(name)-slow")
      // What was killed is reaped by those who come after it.
      for _ in 0..<200 where try !Self.zombies().isEmpty { rig.performer.wait(for: .milliseconds(10)) }
    }
    try round("a")
    let before = try Self.descriptors()
    for name in ["b", "c"] { try round(name) }
    // Each kind of effect was performed twenty times since; other tests here have theirs meanwhile.
    let bound = before + 20
    for _ in 0..<1_000 where try Self.descriptors() >= bound { rig.performer.wait(for: .milliseconds(10)) }
    #expect(try Self.descriptors() < bound, "descriptors are left open")
    #expect(try Self.zombies() == [])
  }

  /// Without those of the server, which are sockets and close when their threads see the end.
  private static func descriptors() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count { name in
      var text = [CChar](repeating: 0, count: 256)
      let count = readlink("/proc/self/fd/\(name)", &text, 255)
      let bytes = text.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
      return count > 0 && !String(decoding: bytes, as: UTF8.self).hasPrefix("socket:")
    }
  }

  /// Children of this process that ended and were not reaped.
  private static func zombies() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { name in
      guard Int(name) != nil, let bytes = FileManager.default.contents(atPath: "/proc/\(name)/stat") else {
        return false
      }
      let words = String(decoding: bytes, as: UTF8.self).components(separatedBy: ") ")
      let fields = (words.last ?? "").split(separator: " ")
      return fields.count > 1 && fields[0] == "Z" && fields[1] == "\(getpid())"
    }
  }
}
