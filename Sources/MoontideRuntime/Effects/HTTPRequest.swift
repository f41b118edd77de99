import MoontideCore
import MoontideJSON

/// `ctx.effect("http", { method, url, headers, json | body, timeout, about })`: one request, TLS verified, no
/// redirect followed.
public struct HTTPRequest: Sendable, Hashable {
  public struct Header: Sendable, Hashable {
    public var name: String
    public var value: String
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// `POST` where there is a body, else `GET`, unless it is said.
  public var method: String
  public var url: String
  public var headers: [Header]
  public var body: [UInt8]
  public var timeout: Duration

  static let fields = ["method", "url", "headers", "json", "body", "timeout", "about"]
  private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

  /// - Parameter bytes: the request as JSON: as it is shown, or with its values.
  public init(_ bytes: [UInt8]) throws(EffectRefusal) {
    let fields = try EffectFields(.http, try EffectRequest.value(bytes, .http), allowed: Self.fields)
    url = try fields.needed("url", "\"https://example.com/orders\"")
    try Self.check(url)
    body = []
    var isJSON = false
    if fields["json"] != nil, let part = JSONFields.value("json", bytes, bytes.whole) {
      if fields["body"] != nil { throw EffectRefusal("http has 'json' or 'body', not both") }
      body = Array(bytes[part.indices])
      isJSON = true
    } else if let text = try fields.text("body") {
      body = Array(text.utf8)
    }
    let hasBody = isJSON || fields["body"] != nil
    method = try fields.text("method") ?? (hasBody ? "POST" : "GET")
    guard Self.methods.contains(method) else {
      let near = Suggestion.nearest(to: method, among: Self.methods)
      throw EffectRefusal(
        "http: 'method' is one of \(Self.methods.joined(separator: ", "))"
          + (near.map { "; did you mean \"\($0)\"?" } ?? ""))
    }
    if hasBody, method == "GET" || method == "HEAD" {
      throw EffectRefusal("http: a \(method) request has no body")
    }
    timeout = try fields.duration("timeout", upTo: Limits.effectTimeMax) ?? Limits.effectTimeDefault
    headers = []
    for (name, value) in try fields.table("headers", limit: Limits.effectHeadersMax) {
      try Self.check(header: name, value)
      headers.append(Header(name, value))
    }
    if isJSON, !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
      headers.append(Header("Content-Type", "application/json"))
    }
  }

  /// `https://host:port`, without what stands before an `@` or behind the host; of a URL that begins with a
  /// reference the reference alone.
  public var target: String {
    if url.hasPrefix("${") { return String(url.prefix { $0 != "}" }) + "}" }
    guard let start = Self.authority(of: url) else { return url }
    let scheme = url[..<start]
    let authority = url[start...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
    // The names of references stay as they are.
    return scheme.lowercased() + (host.contains("${") ? String(host) : host.lowercased())
  }

  /// Where the host begins, or nil when the scheme is none that is performed.
  private static func authority(of url: String) -> String.Index? {
    for scheme in ["https://", "http://"] where url.lowercased().hasPrefix(scheme) {
      return url.index(url.startIndex, offsetBy: scheme.count)
    }
    return nil
  }

  private static func check(_ url: String) throws(EffectRefusal) {
    guard url.utf8.count <= Limits.effectURLBytesMax else {
      throw EffectRefusal("http: 'url' has at most \(Limits.effectURLBytesMax) bytes, not \(url.utf8.count)")
    }
    guard url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
      throw EffectRefusal("http: 'url' has no spaces and no control characters: escape them as %20")
    }
    if url.hasPrefix("${") { return }
    guard let start = authority(of: url), let first = url[start...].first, first != "/" else {
      throw EffectRefusal("http: 'url' begins with https:// or http:// and a host")
    }
  }

  /// RFC 9110, 5.1 and 5.5: what would let a value smuggle in a header of its own is refused.
  private static func check(header name: String, _ value: String) throws(EffectRefusal) {
    let isToken =
      !name.isEmpty
      && name.utf8.allSatisfy { byte in
        "!#$%&'*+-.^_`|~".utf8.contains(byte) || (byte | 0x20) &- UInt8(ascii: "a") < 26
          || byte &- UInt8(ascii: "0") < 10
      }
    guard isToken else { throw EffectRefusal("http: \"\(name)\" is not the name of a header") }
    guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
      throw EffectRefusal("http: the header \(name) has no line breaks and no control characters")
    }
    let reserved = ["host", "content-length", "transfer-encoding", "idempotency-key", "connection", "expect"]
    if reserved.contains(name.lowercased()) {
      throw EffectRefusal("http: the header \(name) is set by moontide")
    }
  }
}

extension [UInt8] {
  var whole: ByteRange { ByteRange(start: 0, count: count) }
}
