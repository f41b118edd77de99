import MoontideCore
import MoontideLua

/// Writes a value of Lua so that a person reads it: short tables on one line, long ones with a line for each
/// entry, both bounded. Pure.
struct DeskPrinter {
  private(set) var lines: [String] = []
  private let columns: Int

  init(columns: Int) { self.columns = max(40, columns) }

  mutating func print(_ value: LuaValue) { add(value, indent: 0, before: "", after: "") }

  private var isFull: Bool { lines.count >= Limits.replValueLinesMax }

  private mutating func add(_ value: LuaValue, indent: Int, before: String, after: String) {
    if isFull {
      if lines.last != "…" { lines.append("…") }
      return
    }
    let space = String(repeating: " ", count: indent)
    guard case .table(let table) = value, !table.entries.isEmpty else {
      return lines.append(space + before + DeskPrinter.oneLine(value) + after)
    }
    if let short = DeskPrinter.short(value, room: columns - indent - before.count - after.count) {
      return lines.append(space + before + short + after)
    }
    lines.append(space + before + "{")
    let isList = DeskText.isList(table)
    for entry in table.entries.prefix(Limits.replEntriesShownMax) where !isFull {
      add(
        entry.value, indent: indent + 2, before: isList ? "" : DeskPrinter.key(entry.key) + " = ", after: ",")
    }
    let more = table.entries.count - Limits.replEntriesShownMax
    if more > 0 { lines.append(space + "  -- \(more) more") }
    if isFull {
      if lines.last != "…" { lines.append("…") }
    } else {
      lines.append(space + "}" + after)
    }
  }

  /// The value on one line when it has that much room; nil else.
  private static func short(_ value: LuaValue, room: Int) -> String? {
    var text = ""
    return write(value, to: &text, room: room) ? text : nil
  }

  /// The value on one line, however long, but bounded.
  static func oneLine(_ value: LuaValue) -> String {
    var text = ""
    return write(value, to: &text, room: Limits.errorTextBytesMax) ? text : text + "…"
  }

  /// False when it became too long.
  private static func write(_ value: LuaValue, to text: inout String, room: Int) -> Bool {
    switch value {
    case .nil: text += "nil"
    case .null: text += "null"
    case .boolean(let flag): text += flag ? "true" : "false"
    case .integer(let number): text += String(number)
    case .number(let number): text += DeskPrinter.number(number)
    case .string(let bytes): text += quoted(String(decoding: bytes, as: UTF8.self))
    case .function: text += "function"
    case .table(let table):
      text += "{"
      let isList = DeskText.isList(table)
      for (index, entry) in table.entries.enumerated() {
        text += index > 0 ? ", " : " "
        if !isList { text += key(entry.key) + " = " }
        if !write(entry.value, to: &text, room: room) || text.utf8.count > room { return false }
      }
      text += table.entries.isEmpty ? "}" : " }"
    }
    return text.utf8.count <= room
  }

  private static func number(_ number: Double) -> String {
    if number.isNaN { return "nan" }
    if number.isInfinite { return number < 0 ? "-inf" : "inf" }
    return number.description
  }

  private static func key(_ key: LuaValue) -> String {
    guard let text = key.text else { return "[" + plain(key) + "]" }
    let isName =
      text.first.map { $0.isLetter || $0 == "_" } == true
      && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    return isName ? text : "[" + quoted(text) + "]"
  }

  /// A key without quotes, as a column is called.
  static func plain(_ key: LuaValue) -> String { key.text ?? oneLine(key) }

  /// Control characters visible, as Lua writes them.
  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      default:
        if scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
          || (0x2028...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
        {
          out += "\\u{" + String(scalar.value, radix: 16) + "}"
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    return out + "\""
  }
}
