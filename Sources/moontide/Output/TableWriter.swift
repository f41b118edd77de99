import MoontideCore

/// `table`: columns two spaces apart, numbers to the right, NULL as a dim `NULL`, no box. The first
/// `Limits.tableProbeRowsMax` rows decide the widths; later rows go out at once. Columns that no terminal of
/// its width can show are left out, and named below.
struct TableWriter: RowWriter {
  private let columns: [String]
  private let sink: any TextSink
  private let room: Int?
  private let ink: Ink
  private var probe: [[Field]] = []
  private var layout: Layout?

  private struct Field {
    var text: String
    var isNull: Bool
    var isNumber: Bool
  }

  private struct Layout {
    var widths: [Int]
    var right: [Bool]
    /// How many columns are shown, from the left.
    var shown: Int
  }

  /// - Parameter terminal: of the stream; when it has a width, wide columns are clipped to fit it.
  init(_ columns: [String], to sink: any TextSink, terminal: Terminal) {
    self.columns = columns.map(DisplayText.escaped)
    self.sink = sink
    room = terminal.columns
    ink = Ink(colors: terminal.colors)
  }

  mutating func write(_ row: RowCells) throws(OutputClosed) {
    let fields = (0..<row.count).map { index in
      Field(
        text: row.text(index).map(DisplayText.escaped) ?? "NULL", isNull: row.isNull(index),
        isNumber: row.isNumber(index))
    }
    if let layout {
      try sink.write(line(fields, layout))
    } else {
      probe.append(fields)
      if probe.count >= Limits.tableProbeRowsMax { try flush() }
    }
  }

  mutating func finish() throws(OutputClosed) {
    if layout == nil { try flush() }
    guard let layout, layout.shown < columns.count else { return }
    let names = columns[layout.shown...].joined(separator: ", ")
    let text = "… \(columns.count - layout.shown) more: \(names)"
    try sink.write(ink(.dim, DisplayText.clipped(text, to: room ?? DisplayText.width(text))) + "\n")
  }

  private mutating func flush() throws(OutputClosed) {
    let layout = layOut()
    self.layout = layout
    let names = (0..<layout.shown).map { index in
      let clipped = DisplayText.clipped(columns[index], to: layout.widths[index])
      return pad(clipped, index, layout, shown: ink(.strong, clipped))
    }
    let rule = layout.widths.prefix(layout.shown).map { ink(.dim, String(repeating: "-", count: $0)) }
    try sink.write(joined(names, layout) + joined(rule, layout))
    for fields in probe { try sink.write(line(fields, layout)) }
    probe = []
  }

  private func layOut() -> Layout {
    let right = columns.indices.map { index in
      probe.contains { $0[index].isNumber }
        && probe.allSatisfy { $0[index].isNumber || $0[index].isNull }
    }
    var widths = columns.map { max(1, DisplayText.width($0)) }
    for fields in probe {
      for index in fields.indices {
        widths[index] = max(widths[index], DisplayText.width(fields[index].text))
      }
    }
    if let room { TableWriter.shrink(&widths, keeping: right, to: room) }
    return Layout(widths: widths, right: right, shown: TableWriter.fitting(widths, room))
  }

  /// How many columns fit, with a mark behind them when there are more; at least one.
  static func fitting(_ widths: [Int], _ room: Int?) -> Int {
    guard let room, widths.reduce(0, +) + 2 * (widths.count - 1) > room else { return widths.count }
    var used = 3
    let count = widths.prefix { width in
      used += width
      defer { used += 2 }
      return used <= room
    }.count
    return max(1, count)
  }

  /// Takes columns from the widest text until the row fits, or every text is at 8; numbers are
  /// never clipped.
  static func shrink(_ widths: inout [Int], keeping kept: [Bool], to room: Int) {
    var excess = widths.reduce(0, +) + 2 * (widths.count - 1) - room
    while excess > 0 {
      let candidates = widths.indices.filter { !kept[$0] && widths[$0] > 8 }
      guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return }
      let next = candidates.filter { widths[$0] < widths[widest] }.map { widths[$0] }.max() ?? 8
      let step = min(excess, max(1, widths[widest] - max(8, next)))
      widths[widest] -= step
      excess -= step
    }
  }

  private func line(_ fields: [Field], _ layout: Layout) -> String {
    joined(
      (0..<layout.shown).map { index in
        let field = fields[index]
        let clipped =
          room == nil || field.isNumber
          ? field.text : DisplayText.clipped(field.text, to: layout.widths[index])
        return pad(clipped, index, layout, shown: field.isNull ? ink(.dim, clipped) : clipped)
      }, layout)
  }

  private func pad(_ text: String, _ index: Int, _ layout: Layout, shown: String) -> String {
    let missing = max(0, layout.widths[index] - DisplayText.width(text))
    let space = String(repeating: " ", count: missing)
    if layout.right[index] { return space + shown }
    return index == columns.count - 1 ? shown : shown + space
  }

  /// Without blanks at the end, which an empty last cell would leave.
  private func joined(_ cells: [String], _ layout: Layout) -> String {
    var line = cells.joined(separator: "  ")
    if layout.shown < columns.count { return line + "  …\n" }
    while line.last == " " { line.removeLast() }
    return line + "\n"
  }
}
