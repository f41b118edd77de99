/// Builds a tree out of text that `JSONValidator` has passed: it checks nothing, and its recursion is
/// bounded by the validator's depth.
struct JSONTreeReader {
  let bytes: [UInt8]
  var at: Int

  mutating func value() -> JSONValue {
    skip()
    switch bytes[at] {
    case UInt8(ascii: "{"): return .object(members())
    case UInt8(ascii: "["): return .array(elements())
    case UInt8(ascii: "\""): return .string(string())
    case UInt8(ascii: "t"):
      at += 4
      return .boolean(true)
    case UInt8(ascii: "f"):
      at += 5
      return .boolean(false)
    case UInt8(ascii: "n"):
      at += 4
      return .null
    default: return number()
    }
  }

  private mutating func skip() {
    while bytes[at] <= 0x20 { at += 1 }
  }

  /// Passes a comma if one is next; false at the closing bracket, which is passed too.
  private mutating func goesOn(before close: Unicode.Scalar) -> Bool {
    skip()
    if bytes[at] == UInt8(ascii: close) {
      at += 1
      return false
    }
    if bytes[at] == UInt8(ascii: ",") { at += 1 }
    skip()
    return true
  }

  private mutating func members() -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    at += 1
    while goesOn(before: "}") {
      let name = string()
      skip()
      at += 1
      members.append(JSONValue.Member(name, value()))
    }
    return members
  }

  private mutating func elements() -> [JSONValue] {
    var elements: [JSONValue] = []
    at += 1
    while goesOn(before: "]") { elements.append(value()) }
    return elements
  }

  private mutating func string() -> String {
    let end = JSONText.endOfString(bytes, at)
    let written = bytes[at + 1..<end - 1]
    if !written.contains(UInt8(ascii: "\\")) {
      at = end
      return String(decoding: written, as: UTF8.self)
    }
    var text: [UInt8] = []
    var index = at + 1
    while index < end - 1 {
      if bytes[index] != UInt8(ascii: "\\") {
        text.append(bytes[index])
        index += 1
      } else {
        index = unescape(index, into: &text)
      }
    }
    at = end
    return String(decoding: text, as: UTF8.self)
  }

  private func unescape(_ index: Int, into text: inout [UInt8]) -> Int {
    switch bytes[index + 1] {
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      let unit = hexadecimal(index + 2)
      let isPair = (0xD800...0xDBFF).contains(unit)
      let scalar = isPair ? 0x10000 + (unit - 0xD800) << 10 + hexadecimal(index + 8) - 0xDC00 : unit
      if let scalar = Unicode.Scalar(scalar) { text.append(contentsOf: String(Character(scalar)).utf8) }
      return index + (isPair ? 12 : 6)
    default: text.append(bytes[index + 1])
    }
    return index + 2
  }

  private func hexadecimal(_ index: Int) -> UInt32 {
    bytes[index..<index + 4].reduce(0) { value, byte in
      value << 4 + UInt32(byte > UInt8(ascii: "9") ? (byte | 0x20) - UInt8(ascii: "a") + 10 : byte & 15)
    }
  }

  private mutating func number() -> JSONValue {
    let start = at
    var isInteger = true
    while at < bytes.count, "+-.0123456789eE".utf8.contains(bytes[at]) {
      if ".eE".utf8.contains(bytes[at]) { isInteger = false }
      at += 1
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if isInteger, let value = Int64(text) { return .integer(value) }
    return .number(Double(text) ?? 0)
  }
}
