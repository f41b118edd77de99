import MoontideCore

/// What a Lua string literal stands for (reference manual §3.1), and where each of its bytes was written.
struct StringLiteral {
  private(set) var content: [UInt8] = []
  /// For each byte of `content`, the byte of the script that it came from, and one more for the end.
  private(set) var places: [Int] = []

  /// - Parameter part: the whole literal, quotes or brackets included.
  init(_ text: [UInt8], _ part: ByteRange) {
    guard part.count >= 2 else { return }
    if text[Int(part.start)] == UInt8(ascii: "[") {
      readLong(text, part)
    } else {
      readShort(text, part)
    }
    places.append(part.end - 1)
  }

  private mutating func add(_ byte: UInt8, from place: Int) {
    content.append(byte)
    places.append(place)
  }

  private mutating func readLong(_ text: [UInt8], _ part: ByteRange) {
    var level = 0
    while text[Int(part.start) + 1 + level] == UInt8(ascii: "=") { level += 1 }
    var at = Int(part.start) + level + 2
    let end = part.end - level - 2
    if at < end, text[at] == UInt8(ascii: "\r") { at += 1 }
    if at < end, text[at] == UInt8(ascii: "\n") { at += 1 }
    while at < end {
      add(text[at], from: at)
      at += 1
    }
  }

  private mutating func readShort(_ text: [UInt8], _ part: ByteRange) {
    var at = Int(part.start) + 1
    let end = part.end - 1
    while at < end {
      guard text[at] == UInt8(ascii: "\\"), at + 1 < end else {
        add(text[at], from: at)
        at += 1
        continue
      }
      at = readEscape(text, at, end: end)
    }
  }

  /// Reads the escape at `start` and returns where to go on.
  private mutating func readEscape(_ text: [UInt8], _ start: Int, end: Int) -> Int {
    var at = start + 2
    switch text[start + 1] {
    case UInt8(ascii: "a"): add(7, from: start)
    case UInt8(ascii: "b"): add(8, from: start)
    case UInt8(ascii: "f"): add(12, from: start)
    case UInt8(ascii: "n"): add(10, from: start)
    case UInt8(ascii: "r"): add(13, from: start)
    case UInt8(ascii: "t"): add(9, from: start)
    case UInt8(ascii: "v"): add(11, from: start)
    case UInt8(ascii: "z"):
      while at < end, text[at] == 0x20 || (0x09...0x0d).contains(text[at]) { at += 1 }
    case UInt8(ascii: "x"):
      let digits = text[at..<min(at + 2, end)]
      add(UInt8(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0, from: start)
      at += digits.count
    case UInt8(ascii: "u"):
      let close = text[at..<end].firstIndex(of: UInt8(ascii: "}")) ?? end - 1
      let digits = String(decoding: text[min(at + 1, close)..<close], as: UTF8.self)
      if let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init) {
        for byte in String(Character(scalar)).utf8 { add(byte, from: start) }
      }
      at = close + 1
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      at = start + 1
      var value = 0
      while at < end, at < start + 4, text[at] &- UInt8(ascii: "0") < 10 {
        value = value * 10 + Int(text[at] - UInt8(ascii: "0"))
        at += 1
      }
      add(UInt8(truncatingIfNeeded: value), from: start)
    case let other: add(other, from: start)
    }
    return at
  }
}
