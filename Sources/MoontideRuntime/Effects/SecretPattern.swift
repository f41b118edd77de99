import MoontideCore

/// A text that must not be seen, found in whatever way a server or a program writes it: as it is, in letters
/// of another case, escaped in JSON (RFC 8259, 7), in a URL (RFC 3986, 2.1) or in HTML, each also more than
/// once, and in any mixture of these: what is escaped is up to who writes.
struct SecretPattern: Sendable, Hashable {
  private let units: [Unit]
  /// What stands in its place.
  let shown: [UInt8]
  /// The most bytes in which it can be written.
  var reach: Int { units.count * Limits.secretCharacterBytesMax }
  /// Bytes of the text.
  let count: Int

  init(_ text: String, shown: [UInt8]) {
    var units: [Unit] = []
    for scalar in text.unicodeScalars {
      // Escaping makes runs of backslashes longer: one stands for each run.
      if scalar == "\\", units.last?.scalar == Unit.backslash { continue }
      units.append(Unit(scalar))
    }
    self.units = units
    self.shown = shown
    count = text.utf8.count
  }

  /// Bytes with which it can begin.
  var beginnings: [UInt8] { units.first?.beginnings ?? [] }

  /// The end (exclusive) of the text that begins at `start`; nil when none does.
  /// - Parameter least: so many characters are enough where the bytes end; nil: all of them.
  func end(in bytes: [UInt8], from start: Int, least: Int?) -> Int? {
    var at = start
    for (index, unit) in units.enumerated() {
      if at == bytes.count { return least.map { index >= $0 } == true ? at : nil }
      guard let next = unit.end(in: bytes, from: at) else { return nil }
      at = next
    }
    return units.isEmpty ? nil : at
  }

  /// One character.
  private struct Unit: Sendable, Hashable {
    let scalar: UInt32
    private let bytes: [UInt8]
    /// Of `\n` and the like.
    private let letter: UInt8?

    static let backslash: UInt32 = 0x5c
    private static let letters: [UInt32: UInt8] = [
      8: UInt8(ascii: "b"), 9: UInt8(ascii: "t"), 10: UInt8(ascii: "n"), 12: UInt8(ascii: "f"),
      13: UInt8(ascii: "r"),
    ]
    private static let entities: [(name: [UInt8], scalar: UInt32)] = [
      (Array("quot;".utf8), 34), (Array("amp;".utf8), 38), (Array("apos;".utf8), 39),
      (Array("lt;".utf8), 60), (Array("gt;".utf8), 62),
    ]

    init(_ scalar: Unicode.Scalar) {
      self.scalar = scalar.value
      bytes = Array(String(scalar).utf8)
      letter = Self.letters[scalar.value]
    }

    var beginnings: [UInt8] {
      let first = bytes[0]
      let isLetter = (first | 0x20) &- UInt8(ascii: "a") < 26
      return [first, isLetter ? first ^ 0x20 : first] + Array((scalar == 0x20 ? "\\%&+" : "\\%&").utf8)
    }

    func end(in bytes: [UInt8], from at: Int) -> Int? {
      if let end = plain(bytes, at) { return end }
      switch bytes[at] {
      case UInt8(ascii: "\\"): return escaped(bytes, at)
      case UInt8(ascii: "&"): return entity(bytes, at)
      case UInt8(ascii: "+"): return scalar == 0x20 ? at + 1 : nil
      default:
        // The backslash was taken for the one before.
        let isEscape = at > 0 && bytes[at - 1] == UInt8(ascii: "\\") && bytes[at] == letter
        return isEscape ? at + 1 : nil
      }
    }

    /// As it is, or each byte in percents.
    private func plain(_ text: [UInt8], _ start: Int) -> Int? {
      if scalar == Self.backslash, text[start] == UInt8(ascii: "\\") { return nil }
      var at = start
      for byte in bytes {
        guard at < text.count else { return nil }
        if Self.isSame(text[at], byte) {
          at += 1
        } else if let end = Self.percent(byte, text, at) {
          at = end
        } else {
          return nil
        }
      }
      return at
    }

    private static func isSame(_ a: UInt8, _ b: UInt8) -> Bool {
      a == b || a ^ b == 0x20 && (a | 0x20) &- UInt8(ascii: "a") < 26
    }

    /// `%2F`, also as `%252F`.
    private static func percent(_ byte: UInt8, _ text: [UInt8], _ start: Int) -> Int? {
      guard text[start] == UInt8(ascii: "%") else { return nil }
      var at = start + 1
      for _ in 0..<4 {
        guard let value = number(text, at, digits: 2) else { return nil }
        at += 2
        if value == UInt32(byte) { return at }
        if value != 0x25 { return nil }
      }
      return nil
    }

    /// The value of so many digits of base 16; nil when they are not there.
    private static func number(_ text: [UInt8], _ start: Int, digits: Int) -> UInt32? {
      guard start + digits <= text.count else { return nil }
      var value: UInt32 = 0
      for byte in text[start..<start + digits] {
        guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
        value = value << 4 | UInt32(digit)
      }
      return value
    }

    /// Behind backslashes: the character, its letter, or its number.
    private func escaped(_ text: [UInt8], _ start: Int) -> Int? {
      let at = Self.run(text, start)
      if scalar == Self.backslash { return pair(text, at) ?? at }
      guard at < text.count else { return nil }
      if let end = plain(text, at) { return end }
      if text[at] == letter { return at + 1 }
      if text[at] == UInt8(ascii: "x"), Self.number(text, at + 1, digits: 2) == scalar { return at + 3 }
      return pair(text, at)
    }

    private static func run(_ text: [UInt8], _ start: Int) -> Int {
      var at = start
      while at < text.count, at - start < Limits.secretEscapesMax, text[at] == UInt8(ascii: "\\") { at += 1 }
      return at
    }

    /// `u00e9`, or two of them around backslashes.
    private func pair(_ text: [UInt8], _ start: Int) -> Int? {
      var at = start
      for (index, half) in String(decoding: bytes, as: UTF8.self).utf16.enumerated() {
        if index > 0 { at = Self.run(text, at) }
        guard at < text.count, text[at] == UInt8(ascii: "u"),
          Self.number(text, at + 1, digits: 4) == UInt32(half)
        else { return nil }
        at += 5
      }
      return at
    }

    /// `&quot;`, `&#34;`, `&#x22;`, also behind an `&` that is one.
    private func entity(_ text: [UInt8], _ start: Int) -> Int? {
      var at = start + 1
      for _ in 0..<4 {
        for known in Self.entities where known.scalar == scalar && text[at...].starts(with: known.name) {
          return at + known.name.count
        }
        guard text[at...].starts(with: Self.entities[1].name) else { break }
        at += Self.entities[1].name.count
      }
      guard at < text.count, text[at] == UInt8(ascii: "#"),
        let end = text[at...].prefix(12).firstIndex(of: 0x3b)
      else { return nil }
      var digits = text[(at + 1)..<end]
      let isHex = digits.first.map { $0 | 0x20 == UInt8(ascii: "x") } ?? false
      if isHex { digits = digits.dropFirst() }
      let value = UInt32(String(decoding: digits, as: UTF8.self), radix: isHex ? 16 : 10)
      return value == scalar ? end + 1 : nil
    }
  }
}
