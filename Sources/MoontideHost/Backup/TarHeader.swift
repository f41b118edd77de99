import MoontideCore

/// The 512 bytes before each file of a tar archive, as POSIX has them (ustar), so that `tar` reads a backup.
/// <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06>
///
/// | at | bytes | |
/// | --- | --- | --- |
/// | 0 | 100 | name |
/// | 100 | 8 | mode, octal |
/// | 124 | 12 | size in bytes: 11 octal digits, or from 8 GiB on binary behind the byte 0x80 |
/// | 136 | 12 | time of modification, seconds, octal |
/// | 148 | 8 | sum of all 512 bytes, these 8 as blanks |
/// | 156 | 1 | `0`: a file |
/// | 257 | 8 | `ustar`, NUL, `00` |
/// | 345 | 155 | folders before the name, where both together are longer than 100 bytes |
struct TarHeader: Hashable {
  static let bytes = 512

  var name: String
  var size: UInt64
  var modifiedSeconds: Int64

  /// How many bytes fill its content up to a whole block.
  static func padding(_ size: UInt64) -> Int { Int((512 - size % 512) % 512) }

  func encoded() -> [UInt8] {
    var (folders, last) = ("", name)
    if name.utf8.count > 100, let slash = name.lastIndex(of: "/") {
      (folders, last) = (String(name[..<slash]), String(name[name.index(after: slash)...]))
    }
    precondition(last.utf8.count <= 100, "a file in an archive has at most 100 bytes of name: \(name)")
    precondition(folders.utf8.count <= 155, "folders in an archive have at most 155 bytes: \(name)")
    var bytes = [UInt8](repeating: 0, count: Self.bytes)
    func put(_ text: String, at: Int) { bytes.replaceSubrange(at..<at + text.utf8.count, with: text.utf8) }
    func octal(_ value: UInt64, digits: Int) -> String {
      let text = String(value, radix: 8)
      return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
    put(last, at: 0)
    put(folders, at: 345)
    for (at, value) in [(100, 0o644), (108, 0), (116, 0)] { put(octal(UInt64(value), digits: 7), at: at) }
    if size < 1 << 33 {
      put(octal(size, digits: 11), at: 124)
    } else {
      bytes[124] = 0x80
      for index in 0..<8 { bytes[135 - index] = UInt8(truncatingIfNeeded: size >> UInt64(index * 8)) }
    }
    put(octal(UInt64(max(0, modifiedSeconds)), digits: 11), at: 136)
    put("        ", at: 148)
    bytes[156] = UInt8(ascii: "0")
    put("ustar\u{0}00", at: 257)
    let sum = bytes.reduce(UInt64(0)) { $0 + UInt64($1) }
    put(octal(sum, digits: 6) + "\u{0} ", at: 148)
    return bytes
  }

  /// Nil when the sum or the format is wrong.
  static func decode(_ bytes: [UInt8]) -> TarHeader? {
    precondition(bytes.count == Self.bytes, "a header has \(Self.bytes) bytes, not \(bytes.count)")
    func octal(_ range: Range<Int>) -> UInt64? {
      let digits = bytes[range].drop { $0 == 0x20 }.prefix { $0 >= 0x30 && $0 <= 0x37 }
      return UInt64(String(decoding: digits, as: UTF8.self), radix: 8)
    }
    var blank = bytes
    blank.replaceSubrange(148..<156, with: [UInt8](repeating: 0x20, count: 8))
    guard octal(148..<156) == blank.reduce(UInt64(0), { $0 + UInt64($1) }),
      bytes[257..<262].elementsEqual("ustar".utf8)
    else { return nil }
    let size =
      bytes[124] == 0x80 ? bytes[128..<136].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } : octal(124..<136)
    guard let size else { return nil }
    let folders = String(decoding: bytes[345..<500].prefix { $0 != 0 }, as: UTF8.self)
    let last = String(decoding: bytes[0..<100].prefix { $0 != 0 }, as: UTF8.self)
    return TarHeader(
      name: folders.isEmpty ? last : "\(folders)/\(last)", size: size,
      modifiedSeconds: Int64(octal(136..<148) ?? 0))
  }
}
