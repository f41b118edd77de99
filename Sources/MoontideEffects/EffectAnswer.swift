import CEffects
import Glibc
import MoontideCore
import MoontideJSON
import MoontideRuntime

/// What C says of an effect that ended, judged and written as JSON, without secrets.
struct EffectAnswer {
  private let outcome: Int32
  private let status: Int
  private let retryAfter: Duration?
  /// Body or stdout, headers or stderr: as much as is kept of each.
  private let body: [UInt8]
  private let headers: [UInt8]
  private let isTruncated: Bool
  private let error: String
  private let timeout: Duration

  init(_ ended: mt_effect_end, of kind: EffectKind, vault: SecretVault, timeout: Duration) {
    outcome = ended.outcome
    status = Int(ended.status)
    retryAfter = ended.retry_after < 0 ? nil : .seconds(ended.retry_after)
    let first = UnsafeBufferPointer(start: ended.body.bytes, count: ended.body.count)
    let second = UnsafeBufferPointer(start: ended.headers.bytes, count: ended.headers.count)
    body = vault.redacted(Array(first), upTo: Limits.effectResponseBytesMax)
    let others = kind == .http ? Limits.effectHeaderBytesMax : Limits.effectResponseBytesMax
    headers = vault.redacted(Array(second), upTo: others)
    isTruncated = ended.body_total > Limits.effectResponseBytesMax || ended.headers_total > others
    let (text, room) = withUnsafeBytes(of: ended.error) { ($0.prefix { $0 != 0 }.map { $0 }, $0.count) }
    // One that fills its room may end in the middle of a value.
    error = String(decoding: vault.redacted(text, isCut: text.count >= room - 1), as: UTF8.self)
    self.timeout = timeout
  }

  // MARK: HTTP

  var http: EffectOutcome {
    switch Int(outcome) {
    case MT_ENDED: return answered
    case MT_TIMED_OUT: return failed("no answer within \(DurationText.text(timeout))")
    case MT_NOT_TRUSTED: return failed("the server is not trusted: \(error)")
    case MT_TOO_LONG: return refused("the answer is longer than \(Limits.effectReadBytesMax) bytes")
    case MT_NOT_STARTED: return refused("the URL cannot be used: \(error)")
    case MT_LEFT: return EffectOutcome(.left)
    case MT_BROKEN: return failed("the connection broke: \(error)")
    case MT_NO_ANSWER: return failed("the answer cannot be read: \(error)")
    default: return failed("no connection: \(error)")
    }
  }

  /// By the status (RFC 9110, 15): what is done, what another try may change, and what it may not.
  private var answered: EffectOutcome {
    let response = httpResponse
    switch status {
    case 200..<300: return EffectOutcome(.done, response: response)
    case 300..<400:
      let place = header("location").map { " to \($0)" } ?? ""
      return EffectOutcome(
        .refused, response: response,
        error: "the server answered \(status), a redirect\(place): redirects are not followed")
    case 408, 409, 425, 429, 500...:
      // One request that fails inside of a server says little of the next one.
      let isUnwell = [408, 425, 429, 502, 503, 504].contains(status)
      return EffectOutcome(
        .failed(blamesTarget: isUnwell, retryAfter: retryAfter), response: response,
        error: "the server answered \(status)")
    default:
      return EffectOutcome(.refused, response: response, error: "the server answered \(status)")
    }
  }

  private func failed(_ text: String) -> EffectOutcome {
    EffectOutcome(.failed(blamesTarget: true, retryAfter: nil), error: cut(text))
  }

  private func refused(_ text: String) -> EffectOutcome { EffectOutcome(.refused, error: cut(text)) }

  private func cut(_ text: String) -> String {
    String(decoding: text.utf8.prefix(Limits.effectErrorBytesMax), as: UTF8.self)
  }

  private var httpResponse: [UInt8] {
    var out = Array("\"status\":\(status),\"headers\":{".utf8)
    for (index, field) in fields.enumerated() {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      JSONWriter.appendString(field.name, to: &out)
      out.append(UInt8(ascii: ":"))
      JSONWriter.appendString(field.value, to: &out)
    }
    out.append(UInt8(ascii: "}"))
    if body.isEmpty { return out }
    if !isTruncated, header("content-type")?.contains("json") == true, let json = validJSON {
      out += Array(",\"json\":".utf8) + json
    } else {
      out += Array(",\"body\":".utf8)
      JSONWriter.appendString(String(decoding: body, as: UTF8.self), to: &out)
      if isTruncated { out += Array(",\"truncated\":true".utf8) }
    }
    return out
  }

  private var validJSON: [UInt8]? {
    do throws(EnvelopeFault) {
      try JSONValidator().validate(body, ByteRange(start: 0, count: body.count))
    } catch {
      // It says that it is JSON and is none: it is given as the text that it is.
      return nil
    }
    var out: [UInt8] = []
    JSONText.minify(body, ByteRange(start: 0, count: body.count), into: &out)
    return out
  }

  private func header(_ name: String) -> String? { fields.first { $0.name == name }?.value }

  /// Names in lower case, in the order of the answer; values of one name joined by a comma (RFC 9110, 5.3).
  private var fields: [(name: String, value: String)] {
    var fields: [(name: String, value: String)] = []
    for line in headers.split(separator: 0x0a) {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      let value = String(decoding: EffectAnswer.trimmed(line[(colon + 1)...]), as: UTF8.self)
      if let index = fields.firstIndex(where: { $0.name == name }) {
        fields[index].value += ", \(value)"
      } else {
        fields.append((name, value))
      }
    }
    return fields
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0d }
    guard let first = bytes.firstIndex(where: { !isBlank($0) }),
      let last = bytes.lastIndex(where: { !isBlank($0) })
    else { return [] }
    return bytes[first...last]
  }

  // MARK: Programs

  var exec: EffectOutcome {
    switch Int(outcome) {
    case MT_ENDED where status == 0: return EffectOutcome(.done, response: output)
    case MT_ENDED:
      // EX_UNAVAILABLE and EX_TEMPFAIL of sysexits.h say that it would fail for others too.
      let isUnwell = status == 69 || status == 75
      return EffectOutcome(
        .failed(blamesTarget: isUnwell, retryAfter: nil), response: output,
        error: "the program ended with \(status)\(firstLine)")
    case MT_SIGNALLED:
      return EffectOutcome(
        .failed(blamesTarget: false, retryAfter: nil), response: output,
        error: "the program was killed by signal \(status)\(firstLine)")
    case MT_TIMED_OUT: return failed("the program did not end within \(DurationText.text(timeout))")
    case MT_TOO_LONG: return refused("the program wrote more than \(Limits.effectReadBytesMax) bytes")
    case MT_LEFT: return EffectOutcome(.left)
    case MT_NOT_STARTED where status == E2BIG:
      return refused("the program cannot be started: \(error)")
    default: return failed("the program cannot be started: \(error)")
    }
  }

  private var output: [UInt8] {
    var out = Array("\"status\":\(status)".utf8)
    for (name, bytes) in [("stdout", body), ("stderr", headers)] where !bytes.isEmpty {
      out += Array(",\"\(name)\":".utf8)
      JSONWriter.appendString(String(decoding: bytes, as: UTF8.self), to: &out)
    }
    if isTruncated { out += Array(",\"truncated\":true".utf8) }
    return out
  }

  /// Of what it wrote to stderr, for the error.
  private var firstLine: String {
    let line = headers.prefix { $0 != 0x0a }
    return line.isEmpty ? "" : ": " + cut(String(decoding: line, as: UTF8.self))
  }
}
