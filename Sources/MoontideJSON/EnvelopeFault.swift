import CSimdjson
import MoontideCore

/// Why a line is not an event: the rule, then the values. Codes are of `EnvelopeRule`.
public struct EnvelopeFault: Error, Sendable, Hashable {
  public var code: String
  public var reason: String
  public init(code: String, reason: String) {
    self.code = code
    self.reason = reason
  }

  public init(_ rule: EnvelopeRule, _ reason: String) {
    self.init(code: rule.code, reason: reason)
  }
}

extension EnvelopeFault {
  /// Says what the parser found. Byte numbers count from 1, as people do.
  init(_ fault: mt_json_fault) {
    let name = EnvelopeFault.text(fault.name)
    let text = EnvelopeFault.text(fault.text)
    let byte = "byte \(fault.offset + 1)"
    switch mt_json_fault_kind(UInt32(fault.kind)) {
    case MT_JSON_UTF8:
      self.init(.encoding, "text must be UTF-8; \(byte) begins no character\(EnvelopeFault.place(name))")
    case MT_JSON_BOM:
      self.init(.byteOrderMark, "a line must begin with `{`, not with a byte order mark (EF BB BF)")
    case MT_JSON_NUL:
      self.init(.nul, "a line must not hold NUL bytes; \(byte) is one\(EnvelopeFault.place(name))")
    case MT_JSON_INTEGER:
      self.init(
        .number,
        "an integer must fit into 64 bits (-9223372036854775808 to 9223372036854775807); "
          + "`\(name)` is \(text)")
    case MT_JSON_DOUBLE:
      self.init(.number, "a number must fit into a double (up to 1.8e308); `\(name)` is \(text)")
    case MT_JSON_DEPTH:
      self.init(
        .depth, "values may be nested \(fault.number) deep; at \(byte) the line goes deeper")
    case MT_JSON_LENGTH:
      self.init(.length, "a line may have at most \(fault.number) bytes; this one has \(fault.offset)")
    case MT_JSON_MEMORY:
      self.init(.length, "there was no memory to parse the line")
    case MT_ENVELOPE_NOT_OBJECT, MT_ENVELOPE_MISSING, MT_ENVELOPE_KIND, MT_ENVELOPE_TWICE,
      MT_ENVELOPE_UNKNOWN, MT_ENVELOPE_EMPTY, MT_ENVELOPE_SIZE, MT_ENVELOPE_VERSION,
      MT_ENVELOPE_SPECVERSION, MT_ENVELOPE_BASE64, MT_ENVELOPE_ATTRIBUTES:
      self.init(envelope: fault, name: name, text: text)
    default:
      self.init(.syntax, "a line must be JSON: at \(byte), \(text)\(EnvelopeFault.place(name))")
    }
  }

  /// The rules of the envelope rather than of JSON.
  private init(envelope fault: mt_json_fault, name: String, text: String) {
    let event = fault.cloud_event == 1 ? "a CloudEvent" : "an event"
    switch mt_json_fault_kind(UInt32(fault.kind)) {
    case MT_ENVELOPE_NOT_OBJECT:
      self.init(.object, "a line must be one JSON object, not \(text)")
    case MT_ENVELOPE_MISSING:
      self.init(.missing, "\(event) must have `\(name)`; this one has none")
    case MT_ENVELOPE_KIND:
      self.init(.kind, "`\(name)` must be \(String(cString: fault.expected)), not \(text)")
    case MT_ENVELOPE_TWICE:
      self.init(.twice, "a field may be given once; `\(name)` is there twice")
    case MT_ENVELOPE_EMPTY:
      self.init(.size, "`\(name)` must not be empty")
    case MT_ENVELOPE_SIZE:
      self.init(.size, "`\(name)` may have at most \(fault.number) bytes; this one has \(fault.offset)")
    case MT_ENVELOPE_VERSION:
      self.init(.version, "`\(name)` must be an integer from 1 to \(fault.number), not \(text)")
    case MT_ENVELOPE_SPECVERSION:
      self.init(.specversion, "the `specversion` of a CloudEvent must be \"1.0\", not \(text)")
    case MT_ENVELOPE_BASE64:
      self.init(
        .binaryData, "a CloudEvent must carry a JSON object in `data`; `data_base64` holds binary data")
    case MT_ENVELOPE_ATTRIBUTES:
      self.init(
        .size, "a CloudEvent may have at most \(fault.number) extension attributes; this one has more")
    default:
      let nearest = Suggestion.nearest(to: name, among: EnvelopeRule.fieldNames)
      let help =
        nearest.map { "; did you mean `\($0)`?" } ?? "; what else there is belongs into `data` or `meta`"
      self.init(.unknown, "an event has no field `\(name)`\(help)")
    }
  }

  private static func place(_ path: String) -> String { path.isEmpty ? "" : " (in `\(path)`)" }

  /// The text of a zero-terminated C array.
  private static func text(_ array: some Any) -> String {
    withUnsafeBytes(of: array) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

extension mt_json_fault_kind {
  var kind: Int32 { Int32(rawValue) }
}
