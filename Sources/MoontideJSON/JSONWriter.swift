public import MoontideCore

/// Writes JSON by appending to a byte buffer.
public enum JSONWriter {
  /// Appends one line of an export, without its newline: the envelope fields that were given, in the order
  /// id, source, type, version, key, time, data, meta, then `recorded` unless `recordedMicroseconds` is nil.
  /// `data` and `meta` are written byte for byte, texts with the fewest escapes that RFC 8259 allows.
  /// - Parameter bytes: the buffer that `envelope` names parts of.
  public static func appendLine(
    _ envelope: Envelope, in bytes: [UInt8], recordedMicroseconds: Int64?, to out: inout [UInt8]
  ) {
    out.append(contentsOf: #"{"id":"#.utf8)
    appendString(bytes, envelope.id, to: &out)
    if envelope.given.contains(.source) { appendField(#","source":"#, bytes, envelope.source, to: &out) }
    appendField(#","type":"#, bytes, envelope.type, to: &out)
    if envelope.given.contains(.version) {
      out.append(contentsOf: #","version":"#.utf8)
      out.append(contentsOf: String(envelope.version).utf8)
    }
    if envelope.given.contains(.key) { appendField(#","key":"#, bytes, envelope.key, to: &out) }
    if envelope.given.contains(.time) { appendField(#","time":"#, bytes, envelope.time, to: &out) }
    out.append(contentsOf: #","data":"#.utf8)
    out.append(contentsOf: bytes[envelope.data.indices])
    if envelope.given.contains(.meta) {
      out.append(contentsOf: #","meta":"#.utf8)
      out.append(contentsOf: bytes[envelope.meta.indices])
    }
    if let recordedMicroseconds {
      out.append(contentsOf: #","recorded":""#.utf8)
      out.append(contentsOf: EventTime(microseconds: recordedMicroseconds).description.utf8)
      out.append(UInt8(ascii: "\""))
    }
    out.append(UInt8(ascii: "}"))
  }

  /// Appends `bytes[range]` (UTF-8) as a JSON string in its quotes.
  public static func appendString(_ bytes: [UInt8], _ range: ByteRange, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    var start = Int(range.start)
    for index in range.indices where needsEscape(bytes[index]) {
      out.append(contentsOf: bytes[start..<index])
      appendEscape(bytes[index], to: &out)
      start = index + 1
    }
    out.append(contentsOf: bytes[start..<range.end])
    out.append(UInt8(ascii: "\""))
  }

  /// Appends `text` as a JSON string in its quotes.
  public static func appendString(_ text: String, to out: inout [UInt8]) {
    var text = text
    out.append(UInt8(ascii: "\""))
    text.withUTF8 { bytes in
      var start = 0
      for index in bytes.indices where needsEscape(bytes[index]) {
        out.append(contentsOf: bytes[start..<index])
        appendEscape(bytes[index], to: &out)
        start = index + 1
      }
      out.append(contentsOf: bytes[start...])
    }
    out.append(UInt8(ascii: "\""))
  }

  /// `text` as a JSON string in its quotes.
  public static func string(_ text: String) -> String {
    var out: [UInt8] = []
    appendString(text, to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  private static func appendField(
    _ name: StaticString, _ bytes: [UInt8], _ range: ByteRange, to out: inout [UInt8]
  ) {
    out.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    appendString(bytes, range, to: &out)
  }

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private static func appendEscape(_ byte: UInt8, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\\"))
    switch byte {
    case 0x08: out.append(UInt8(ascii: "b"))
    case 0x09: out.append(UInt8(ascii: "t"))
    case 0x0A: out.append(UInt8(ascii: "n"))
    case 0x0C: out.append(UInt8(ascii: "f"))
    case 0x0D: out.append(UInt8(ascii: "r"))
    case 0x00..<0x20:
      let digits = Array("0123456789abcdef".utf8)
      out.append(contentsOf: "u00".utf8)
      out.append(digits[Int(byte >> 4)])
      out.append(digits[Int(byte & 15)])
    default: out.append(byte)
    }
  }
}
