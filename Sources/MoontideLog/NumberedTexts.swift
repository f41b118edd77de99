import MoontideCore

/// Texts that come again and again, numbered in order of their first appearance. Equal when they hold the
/// same texts in the same order.
struct NumberedTexts: Sendable, Equatable {
  private(set) var texts: [[UInt8]] = []
  /// Whether there was one more than it takes.
  private(set) var isFull = false
  private let countMax: Int
  private var numbers: [[UInt8]: Int] = [:]
  /// Those that came last: neighbours are alike.
  private var recent: [Int] = []

  init(countMax: Int) { self.countMax = countMax }

  static func == (one: NumberedTexts, other: NumberedTexts) -> Bool {
    one.texts == other.texts && one.isFull == other.isFull
  }

  /// The number of a part of `bytes`; nil when it is new and there is no room for it.
  mutating func number(_ bytes: [UInt8], _ part: ByteRange) -> Int? {
    for number in recent {
      let text = texts[number]
      if bytes.equals(part, text, ByteRange(start: 0, count: text.count)) { return number }
    }
    let text = Array(bytes[part.indices])
    guard let number = number(text) else { return nil }
    if recent.count == Limits.recentTextsMax { recent.removeFirst() }
    recent.append(number)
    return number
  }

  /// The same of a whole text.
  mutating func number(_ text: [UInt8]) -> Int? {
    if let number = numbers[text] { return number }
    guard texts.count < countMax else {
      isFull = true
      return nil
    }
    numbers[text] = texts.count
    texts.append(text)
    return texts.count - 1
  }

  /// The number of a text that is known.
  func known(_ text: [UInt8]) -> Int? { numbers[text] }

  // MARK: As bytes: how many 4 (high bit: it was full), then each: length 4, text

  func encode(into bytes: inout [UInt8]) {
    bytes.add(UInt32(texts.count) | (isFull ? 1 << 31 : 0))
    for text in texts {
      bytes.add(UInt32(text.count))
      bytes += text
    }
  }

  /// Bytes that are behind a matching checksum; moves `at` past them.
  init(_ bytes: [UInt8], at: inout Int, countMax: Int) {
    self.init(countMax: countMax)
    let count = bytes.number(UInt32.self, at: at)
    at += 4
    for _ in 0..<count & ~(1 << 31) {
      let length = Int(bytes.number(UInt32.self, at: at))
      _ = number(Array(bytes[at + 4..<at + 4 + length]))
      at += 4 + length
    }
    isFull = count >> 31 == 1
  }
}
