import CSimdjson
public import MoontideCore

/// Changes the whitespace of JSON text that is known to be valid; its tokens stay as they were written.
public enum JSONText {
  /// Appends `bytes[range]` without whitespace between its tokens to `out` and says where it lies there.
  @discardableResult
  public static func minify(_ bytes: [UInt8], _ range: ByteRange, into out: inout [UInt8]) -> ByteRange {
    let start = out.count
    let count = Int(range.count)
    out.append(contentsOf: repeatElement(0, count: count + Limits.parserPaddingBytes))
    let written = bytes.withUnsafeBufferPointer { source in
      out.withUnsafeMutableBufferPointer { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return 0 }
        return mt_json_minify(from + Int(range.start), count, to + start)
      }
    }
    out.removeLast(out.count - start - written)
    return ByteRange(start: start, count: written)
  }

  /// The text with a line for every member and element and `indent` spaces a level, for a person. Empty
  /// objects and arrays stay on one line.
  public static func pretty(_ bytes: [UInt8], _ range: ByteRange, indent: Int = 2) -> String {
    var tokens: [UInt8] = []
    minify(bytes, range, into: &tokens)
    var out: [UInt8] = []
    var level = 0
    var index = 0
    func newline() {
      out.append(UInt8(ascii: "\n"))
      out.append(contentsOf: repeatElement(UInt8(ascii: " "), count: level * indent))
    }
    while index < tokens.count {
      let token = tokens[index]
      let next = index + 1 < tokens.count ? tokens[index + 1] : 0
      switch token {
      case UInt8(ascii: "\""):
        let end = endOfString(tokens, index)
        out.append(contentsOf: tokens[index..<end])
        index = end - 1
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        out.append(token)
        // The closing bracket comes two characters behind the opening one in ASCII.
        if next == token + 2 {
          out.append(next)
          index += 1
        } else {
          level += 1
          newline()
        }
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        level -= 1
        newline()
        out.append(token)
      case UInt8(ascii: ","):
        out.append(token)
        newline()
      case UInt8(ascii: ":"): out.append(contentsOf: ": ".utf8)
      default: out.append(token)
      }
      index += 1
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// The index behind the closing quote of the string whose opening quote is at `start`.
  static func endOfString(_ bytes: [UInt8], _ start: Int) -> Int {
    var index = start + 1
    while bytes[index] != UInt8(ascii: "\"") { index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1 }
    return index + 1
  }
}
