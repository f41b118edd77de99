/// Members of small JSON texts that the simulated scripts write, read by themselves and not by the code that
/// is judged.
struct MemberText {
  private let bytes: [UInt8]

  init(_ text: String) { bytes = Array(text.utf8) }

  /// The whole number behind `"name":`, or behind `name=`.
  func number(_ name: String) -> Int? {
    for mark in ["\"\(name)\":", "\(name)="] {
      guard let start = end(of: mark, from: 0) else { continue }
      let digits = bytes[start...].prefix { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }
      return Int(String(decoding: digits, as: UTF8.self))
    }
    return nil
  }

  /// The texts behind every `"name":`.
  func texts(_ name: String) -> [String] {
    var found: [String] = []
    var at = 0
    while let start = end(of: "\"\(name)\":\"", from: at) {
      found.append(String(decoding: bytes[start...].prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self))
      at = start
    }
    return found
  }

  private func end(of mark: String, from start: Int) -> Int? {
    let mark = Array(mark.utf8)
    guard bytes.count >= start + mark.count else { return nil }
    return (start...bytes.count - mark.count).first { bytes[$0...].starts(with: mark) }.map {
      $0 + mark.count
    }
  }
}
