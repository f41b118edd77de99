/// One line of a source as an error shows it: tabs are spaces, control characters visible, and what does
/// not fit is cut away around the caret. Pure.
struct ExcerptLine: Equatable {
  /// At most as many columns as asked for.
  private(set) var text: String
  /// Columns before the first caret.
  private(set) var caretIndent: Int
  /// At least 1.
  private(set) var caretCount: Int

  /// A tab stop every four columns, as most editors show Lua.
  private static let tab = 4

  /// - Parameters:
  ///   - line: as in the file; its line end is dropped.
  ///   - column: in characters from 1; nil points at the whole line but its indentation.
  ///   - width: characters to point at, at least 1; what lies behind the line's end is not counted.
  ///   - columns: the room there is, at least 20.
  init(_ line: String, column: Int?, width: Int, columns: Int) {
    let characters = Array(line.prefix { !$0.isNewline })
    let indent = characters.prefix { $0 == " " || $0 == "\t" }.count
    let first = min(max(0, (column ?? indent + 1) - 1), characters.count)
    let last = column == nil ? characters.count : min(max(first + 1, first + width), characters.count)
    var cells: [(text: String, width: Int)] = []
    var at = 0
    for character in characters {
      let shown =
        character == "\t"
        ? String(repeating: " ", count: ExcerptLine.tab - at % ExcerptLine.tab)
        : DisplayText.escaped(String(character))
      cells.append((shown, DisplayText.width(shown)))
      at += DisplayText.width(shown)
    }
    let caretStart = cells[..<first].reduce(0) { $0 + $1.width }
    let caretWidth = max(1, cells[first..<max(first, last)].reduce(0) { $0 + $1.width })
    if at <= columns {
      text = ExcerptLine.trimmed(cells.map(\.text).joined())
      caretIndent = caretStart
      caretCount = caretWidth
      return
    }
    (text, caretIndent, caretCount) = ExcerptLine.clip(
      cells, total: at, caret: caretStart, width: caretWidth, columns: columns)
  }

  /// A window of `columns` columns with the caret a third from its left, cuts marked by `…`.
  private static func clip(
    _ cells: [(text: String, width: Int)], total: Int, caret: Int, width: Int, columns: Int
  ) -> (String, Int, Int) {
    let left = max(0, min(caret - columns / 3, total - columns + 1))
    let lead = left > 0 ? 1 : 0
    var text = left > 0 ? "…" : ""
    var at = 0
    var start: Int?
    var used = 0
    for cell in cells {
      if at >= left {
        let from = start ?? at
        start = from
        let room = columns - lead - (total - from > columns - lead ? 1 : 0)
        if used + cell.width > room { break }
        text += cell.text
        used += cell.width
      }
      at += cell.width
    }
    if at < total { text += "…" }
    let origin = (start ?? 0) - lead
    let indent = max(0, caret - origin)
    return (trimmed(text), indent, max(1, min(width, columns - indent)))
  }

  private static func trimmed(_ text: String) -> String {
    var result = text
    while result.last == " " { result.removeLast() }
    return result
  }
}
