/// The lines of stdin as they come, without blank ones unless they count too. A last line without a newline
/// counts.
struct StandardInputLines: ~Copyable {
  private var bytes: [UInt8] = []
  private var start = 0
  private var number = 0
  private var isAtEnd = false
  private let keepsBlank: Bool

  init(keepsBlank: Bool = false) { self.keepsBlank = keepsBlank }

  /// The next line without its newline, and its number from 1; nil at the end. Waits for whole lines.
  mutating func next() -> (number: Int, line: [UInt8])? {
    while true {
      let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n"))
      if newline == nil, !isAtEnd {
        read()
        continue
      }
      guard start < bytes.count else { return nil }
      let end = newline ?? bytes.count
      let line = Array(bytes[start..<end])
      start = min(end + 1, bytes.count)
      number += 1
      if keepsBlank || !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return (number, line) }
    }
  }

  private mutating func read() {
    let part = StandardInput.chunk(1 << 16)
    isAtEnd = part.isEmpty
    bytes.removeSubrange(..<start)
    start = 0
    bytes += part
  }
}
