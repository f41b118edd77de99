import MoontideCore
import MoontideRuntime
import SmallServer
import Testing

@testable import MoontideEffects

struct HTTPTests {
  @Test func `a request carries its key, its body and its headers, and the answer comes back`() throws {
    let server = try SmallServer { _, _ in
      .init(
        201, headers: ["Content-Type: application/json; charset=utf-8", "X-A: 1", "X-A: 2"],
        body: #"{ "id": 7, "big": 1.0 }"#)
    }
    defer { server.stop() }
    let rig = try PerformerRig()
    let outcome = try rig.perform(
      .http, #"{"url":"\#(server.url)/orders?x=1","json":{"n":1.0},"headers":{"X-B":"c","X-Empty":""}}"#)
    #expect(outcome.verdict == .done && outcome.error.isEmpty)
    #expect(outcome.text.hasPrefix(#""status":201,"headers":{"#))
    #expect(outcome.text.hasSuffix(#""x-a":"1, 2"},"json":{"id":7,"big":1.0}"#), "\(outcome.text)")
    let request = try #require(server.requests.first)
    #expect(request.method == "POST" && request.path == "/orders?x=1" && request.body == #"{"n":1.0}"#)
    #expect(request.headers["idempotency-key"] == "c-1" && request.headers["x-b"] == "c")
    #expect(request.headers["x-empty"] == "" && request.headers["content-type"] == "application/json")
    #expect(request.headers["expect"] == nil && request.headers["user-agent"] == "moontide")
  }

  @Test(arguments: ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "POST"])
  func `every method is sent as it is called`(method: String) throws {
    let server = try SmallServer { _, _ in .init(204) }
    defer { server.stop() }
    let outcome = try PerformerRig().perform(.http, #"{"url":"\#(server.url)/","method":"\#(method)"}"#)
    #expect(outcome.verdict == .done && server.requests.map(\.method) == [method])
  }

  @Test(arguments: [
    (500, EffectOutcome.Verdict.failed(blamesTarget: false, retryAfter: nil)),
    (503, .failed(blamesTarget: true, retryAfter: .seconds(7))),
    (429, .failed(blamesTarget: true, retryAfter: .seconds(7))),
    (409, .failed(blamesTarget: false, retryAfter: .seconds(7))),
    (400, .refused), (404, .refused), (302, .refused),
  ])
  func `a status says whether another try may do`(status: Int, verdict: EffectOutcome.Verdict) throws {
    let server = try SmallServer { _, _ in
      .init(
        status,
        headers: (status == 500 ? [] : ["Retry-After: 7"]) + (status == 302 ? ["Location: /other"] : []),
        body: "no")
    }
    defer { server.stop() }
    let outcome = try PerformerRig().perform(.http, #"{"url":"\#(server.url)/"}"#)
    #expect(outcome.verdict == verdict)
    #expect(
      outcome.error.hasPrefix("the server answered \(status)") && outcome.text.contains(#""body":"no""#))
    #expect(server.requests.count == 1, "no redirect is followed")
  }

  @Test func `a server that hangs, one that ends the connection and one that is not there fail their try`()
    throws
  {
    let server = try SmallServer { request, _ in request.path == "/hang" ? .hanging : .dropping }
    defer { server.stop() }
    let rig = try PerformerRig()
    let hung = try rig.perform(.http, #"{"url":"\#(server.url)/hang","timeout":"300ms"}"#)
    #expect(hung.verdict == .failed(blamesTarget: true, retryAfter: nil))
    #expect(hung.error == "no answer within 300ms")
    let dropped = try rig.perform(.http, #"{"url":"\#(server.url)/drop"}"#)
    #expect(dropped.verdict == .failed(blamesTarget: true, retryAfter: nil))
    #expect(dropped.error.hasPrefix("the connection broke: "), "\(dropped.error)")
    server.stop()
    let gone = try rig.perform(.http, #"{"url":"http://127.0.0.1:1/"}"#)
    #expect(gone.verdict == .failed(blamesTarget: true, retryAfter: nil))
    #expect(gone.error.hasPrefix("no connection: "), "\(gone.error)")
  }

  @Test func `one that hangs holds back nobody else`() throws {
    let server = try SmallServer { request, _ in request.path == "/hang" ? .hanging : .init(200) }
    defer { server.stop() }
    let rig = try PerformerRig()
    rig.begin("slow", .http, #"{"url":"\#(server.url)/hang","timeout":"3s"}"#)
    for index in 0..<20 {
      #expect(try rig.perform(.http, #"{"url":"\#(server.url)/"}"#, key: "c-\(index)").verdict == .done)
    }
    #expect(try rig.outcome("slow").error == "no answer within 3s")
  }

  @Test func `a secret is in the request alone`() throws {
    let canary = "canary-5e37\"/+"
    let server = try SmallServer { request, _ in
      // It gives back all that it was given.
      let body = request.headers["authorization"]! + "|" + request.path + "|" + request.body
      return .init(
        request.path.hasPrefix("/ok") ? 200 : 500,
        headers: ["X-Echo: " + request.headers["authorization"]!], body: body)
    }
    defer { server.stop() }
    let rig = try PerformerRig(environment: ["TOKEN": canary, "URL": server.url])
    for path in ["ok", "bad"] {
      let outcome = try rig.perform(
        .http,
        #"{"url":"<URL>/\#(path)","headers":{"Authorization":"Bearer <TOKEN>"},"json":{"t":"<TOKEN>"}}"#)
      #expect(!outcome.text.contains("5e37") && !outcome.error.contains("5e37"), "\(outcome)")
      #expect(outcome.text.contains("Bearer ${TOKEN}"))
    }
    let request = try #require(server.requests.first)
    #expect(request.headers["authorization"] == "Bearer \(canary)")
    #expect(request.body == #"{"t":"canary-5e37\"/+"}"#)
    let down = try rig.perform(.http, #"{"url":"http://127.0.0.1:1/<TOKEN>"}"#)
    #expect(!down.error.contains("5e37"), "\(down.error)")
    let unset = try PerformerRig().perform(.http, #"{"url":"<NONE>/"}"#)
    #expect(unset.verdict == .refused)
    #expect(unset.error == "the environment variable NONE is not set where moontide runs")
  }

  @Test func `a value of the environment cannot make a header of its own`() throws {
    let server = try SmallServer { _, _ in .init(200) }
    defer { server.stop() }
    let rig = try PerformerRig(environment: ["TOKEN": "a\r\nX-Evil: 1"])
    let outcome = try rig.perform(.http, #"{"url":"\#(server.url)/","headers":{"A":"<TOKEN>"}}"#)
    #expect(outcome.verdict == .refused && server.requests.isEmpty)
    #expect(outcome.error == "http: the header A has no line breaks and no control characters")
  }

  @Test func `what is kept of a long answer is bounded, and one without an end is refused`() throws {
    let server = try SmallServer { request, _ in
      let count = request.path == "/long" ? Limits.effectResponseBytesMax * 2 : Limits.effectReadBytesMax + 10
      return .init(
        200, headers: ["Content-Type: application/json"], body: String(repeating: "1", count: count))
    }
    defer { server.stop() }
    let rig = try PerformerRig()
    let long = try rig.perform(.http, #"{"url":"\#(server.url)/long"}"#)
    #expect(long.verdict == .done && long.text.hasSuffix(#""truncated":true"#))
    #expect(long.response.count < Limits.effectResponseBytesMax + 1_000)
    let endless = try rig.perform(.http, #"{"url":"\#(server.url)/endless"}"#)
    #expect(endless.verdict == .refused && endless.error.hasPrefix("the answer is longer than"))
  }

  @Test func `a performer that ends leaves what is on its way and says so`() throws {
    let server = try SmallServer { _, _ in .hanging }
    defer { server.stop() }
    let rig = try PerformerRig()
    rig.begin("a", .http, #"{"url":"\#(server.url)/"}"#)
    rig.performer.wait(for: .milliseconds(50))
    rig.begin("b", .http, #"{"url":"\#(server.url)/"}"#)
    rig.performer.leave()
    #expect(try rig.outcome("a").verdict == .left && rig.outcome("b").verdict == .left)
  }
}
