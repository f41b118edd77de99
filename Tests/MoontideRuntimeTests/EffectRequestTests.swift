import MoontideCore
import Testing

@testable import MoontideRuntime

struct EffectRequestTests {
  private static func template(_ text: String) -> EffectTemplate {
    EffectTemplate(
      Array(text.utf8).map { $0 == UInt8(ascii: "<") ? 0xFF : $0 == UInt8(ascii: ">") ? 0xFE : $0 })
  }

  private static var rules: EffectRules {
    var rules = EffectRules()
    rules.programs = ["mailer": "/usr/bin/mailer"]
    return rules
  }

  @Test func `a template shows names and resolves to values that are escaped`() throws {
    let template = Self.template(#"{"url":"<URL>/x","h":"Bearer <TOKEN>"}"#)
    let none = #expect(throws: EffectRefusal.self) { try template.resolved { _ in nil } }
    #expect(none?.text == "the environment variables TOKEN and URL are not set where moontide runs")
    #expect(template.names == ["URL", "TOKEN"])
    #expect(String(decoding: template.shown, as: UTF8.self) == #"{"url":"${URL}/x","h":"Bearer ${TOKEN}"}"#)
    let values = ["URL": "http://h", "TOKEN": "a\"b\\\n"]
    #expect(
      String(decoding: try template.resolved { values[$0] }, as: UTF8.self)
        == #"{"url":"http://h/x","h":"Bearer a\"b\\\n"}"#)
    let fault = #expect(throws: EffectRefusal.self) { try template.resolved { $0 == "URL" ? "x" : nil } }
    #expect(fault?.text == "the environment variable TOKEN is not set where moontide runs")
  }

  @Test func `an HTTP request has its defaults`() throws {
    let post = try HTTPRequest(Array(#"{"url":"https://u:p@Example.com:8080/a?b","json":{"a":[1.0]}}"#.utf8))
    #expect(post.method == "POST" && post.body == Array(#"{"a":[1.0]}"#.utf8))
    #expect(post.headers == [.init("Content-Type", "application/json")])
    #expect(post.timeout == Limits.effectTimeDefault && post.target == "https://example.com:8080")
    let get = try HTTPRequest(
      Array(#"{"url":"${URL}/x","timeout":"2s","headers":{"A":"b","content-type":"x"}}"#.utf8))
    let half = try HTTPRequest(Array(#"{"url":"HTTPS://u@API.${Host}/x"}"#.utf8))
    #expect(half.target == "https://API.${Host}")
    #expect(get.method == "GET" && get.body.isEmpty && get.target == "${URL}" && get.timeout == .seconds(2))
  }

  @Test(arguments: [
    ("http", #"{"url":"ftp://h/"}"#, "http: 'url' begins with https:// or http:// and a host"),
    ("http", #"{"ulr":"http://h/"}"#, "http has no field 'ulr'; did you mean 'url'?"),
    ("http", #"{}"#, #"http needs 'url', such as "https://example.com/orders""#),
    (
      "http", #"{"url":"http://h/ x"}"#,
      "http: 'url' has no spaces and no control characters: escape them as %20"
    ),
    ("http", #"{"url":"http://h/","json":1,"body":"x"}"#, "http has 'json' or 'body', not both"),
    ("http", #"{"url":"http://h/","method":"GET","json":1}"#, "http: a GET request has no body"),
    (
      "http", #"{"url":"http://h/","method":"POTS"}"#,
      "http: 'method' is one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS; did you mean \"POST\"?"
    ),
    (
      "http", #"{"url":"http://h/","headers":{"A":"x\r\nB: c"}}"#,
      "http: the header A has no line breaks and no control characters"
    ),
    ("http", #"{"url":"http://h/","headers":{"A b":"c"}}"#, "http: \"A b\" is not the name of a header"),
    (
      "http", #"{"url":"http://h/","headers":{"idempotency-KEY":"c"}}"#,
      "http: the header idempotency-KEY is set by moontide"
    ),
    (
      "http", #"{"url":"http://h/","timeout":"1h"}"#,
      "http: 'timeout' is a duration such as \"10s\", at most \"10m\""
    ),
    (
      "exec", #"{"program":"mailr"}"#,
      "exec: the settings name no program \"mailr\"; did you mean \"mailer\"?"
    ),
    ("exec", #"{"program":"mailer","args":"x"}"#, "exec: 'args' is a list of at most 256 texts"),
    (
      "exec", #"{"program":"mailer","args":["a\u0000"]}"#, "exec: an argument and a variable hold no NUL byte"
    ),
    (
      "exec", #"{"program":"mailer","env":{"A=B":"x"}}"#,
      "exec: \"A=B\" is not the name of an environment variable"
    ),
    (
      "exec", #"{"program":"mailer","env":{"MOONTIDE_IDEMPOTENCY_KEY":"mine"}}"#,
      "exec: the variable MOONTIDE_IDEMPOTENCY_KEY is not a script's to set: it belongs to moontide"
    ),
    (
      "exec", #"{"program":"mailer","env":{"LD_PRELOAD":"out/x.so"}}"#,
      "exec: the variable LD_PRELOAD is not a script's to set: it belongs to the system's loader"
    ),
    ("http", #"{"url":"file:///etc/passwd"}"#, "http: 'url' begins with https:// or http:// and a host"),
    ("http", #"{"url":"http:///x"}"#, "http: 'url' begins with https:// or http:// and a host"),
    (
      "http", #"{"url":"http://h/\r\nX-Evil: 1"}"#,
      "http: 'url' has no spaces and no control characters: escape them as %20"
    ),
    (
      "log", #"{"file":"../x","text":"a"}"#,
      "log: 'file' is a path below the project such as \"logs/orders.log\""
    ),
    (
      "log", #"{"file":"/etc/x","text":"a"}"#,
      "log: 'file' is a path below the project such as \"logs/orders.log\""
    ),
    (
      "log", #"{"file":".moontide/x","text":"a"}"#,
      "log: 'file' is a path below the project such as \"logs/orders.log\""
    ),
    (
      "log", #"{"file":"events/x.jsonl","text":"a"}"#,
      "log: events is moontide's own; choose another place such as \"logs/events/x.jsonl\""
    ),
    ("log", #"{"file":"l.log","text":"a\nb"}"#, "log: 'text' is one line, without line breaks"),
    ("log", #"{"file":"l.log"}"#, "log needs 'text' or 'json': the line that is written"),
  ])
  func `what cannot be performed is refused with its rule`(kind: String, json: String, text: String) throws {
    let kind = try #require(EffectKind(rawValue: kind))
    let fault = #expect(throws: EffectRefusal.self) {
      try EffectRequest(kind, Array(json.utf8), rules: Self.rules)
    }
    #expect(fault?.text == text)
  }

  @Test func `a program takes a list, an empty table for none, and data`() throws {
    let request = try ExecRequest(
      Array(#"{"program":"mailer","args":["-t",1],"json":{"a":1},"env":{"K":"v"}}"#.utf8), rules: Self.rules)
    #expect(request.arguments == ["-t", "1"] && request.input == Array("{\"a\":1}\n".utf8))
    #expect(request.variables == [.init("K", "v")])
    let bare = try ExecRequest(Array(#"{"program":"mailer","args":{}}"#.utf8), rules: Self.rules)
    #expect(bare.arguments == [] && bare.input == [])
  }
}
