import MoontideCore
import MoontideHost

/// A report of what a changed script does, for a person.
struct DiffText {
  private let report: DiffReport
  private let ink: Ink
  /// Of one value.
  private static let valueColumns = 60

  init(_ report: DiffReport, terminal: Terminal) {
    self.report = report
    ink = Ink(colors: terminal.colors)
  }

  /// Lines, each with its end.
  var text: String {
    var lines = head
    for table in report.tables { lines += [""] + describe(table) }
    if report.letters.count > 0 { lines += [""] + letters }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: The whole

  private var head: [String] {
    let (old, new) = (report.old, report.new)
    let name = old.name == new.name ? new.name : "\(old.name) → \(new.name)"
    var lines = [
      ink(.strong, name) + ": \(shown(old)) → \(shown(new)), both up to \(report.end)",
      "  events handled: \(Figures.grouped(old.applied)) → \(Figures.grouped(new.applied))",
    ]
    for subject in report.subscriptions {
      lines.append("  \(DisplayText.escaped(subject.subject)): \(subject.old) → \(subject.new)")
    }
    if let place = old.halted { lines.append("  the old version halts before \(place)") }
    if let place = new.halted { lines.append("  the new version halts before \(place)") }
    return lines
  }

  private func shown(_ version: DiffReport.Version) -> String {
    "\(DisplayText.escaped(version.origin)) \(version.scriptVersion)"
  }

  // MARK: Tables

  private func describe(_ table: TableDifference) -> [String] {
    let kind = table.isView ? "view " : ""
    let name = kind + ink(.strong, DisplayText.escaped(table.name))
    switch table.presence {
    case .onlyNew:
      return ["\(name): new" + (table.isView ? "" : ", \(Figures.counted(table.rows.new, "row"))")]
    case .onlyOld:
      return ["\(name): gone" + (table.isView ? "" : ", with \(Figures.counted(table.rows.old, "row"))")]
    case .both: break
    }
    var lines = ["\(name): \(summary(table))"]
    if let first = table.first { lines.append("  differs first \(shown(first))") }
    if table.isRedefined { lines.append("  its definition reads differently") }
    if table.isRekeyed { lines.append("  its primary key is another: rows are matched by their values") }
    if let fault = table.fault { lines.append("  not compared: \(DisplayText.escaped(fault))") }
    for column in table.columns { lines += describe(column) }
    lines += rows("rows added", table.addedRows, of: table.added)
    lines += rows("rows removed", table.removedRows, of: table.removed)
    return lines
  }

  private func summary(_ table: TableDifference) -> String {
    let counts = [("added", table.added), ("removed", table.removed), ("changed", table.changed)]
    let told = counts.filter { $0.1 > 0 }.enumerated().map { index, item in
      (index == 0 ? Figures.counted(item.1, "row") : Figures.grouped(item.1)) + " \(item.0)"
    }
    let of = table.isView || table.rows.old == 0 ? "" : " of \(Figures.grouped(table.rows.old))"
    return told.isEmpty ? "no row differs" : told.joined(separator: ", ") + of
  }

  private func describe(_ column: ColumnDifference) -> [String] {
    let name = DisplayText.escaped(column.name)
    switch column.presence {
    case .onlyNew:
      return ["  \(name): new column, \(Figures.counted(column.count, "value")) not NULL"]
    case .onlyOld:
      return ["  \(name): column gone, with \(Figures.counted(column.count, "value")) not NULL"]
    case .both: break
    }
    var lines = ["  \(name): \(Figures.grouped(column.count)) changed"]
    for cell in column.samples {
      let key = cell.key.isEmpty ? "" : cell.key.map { shown($0) }.joined(separator: ", ") + ": "
      lines.append(
        "    \(key)\(shown(cell.old)) → \(shown(cell.new))" + (cell.first.map { "  " + shown($0) } ?? ""))
    }
    return lines + more(column.samples.count, column.count)
  }

  private func rows(_ title: String, _ samples: [RowSample], of count: UInt64) -> [String] {
    guard count > 0 else { return [] }
    let lines = samples.map { row in
      "    "
        + row.values.map { "\(DisplayText.escaped($0.column)) \(shown($0.value))" }.joined(separator: ", ")
        + (row.first.map { "  " + shown($0) } ?? "")
    }
    return ["  \(title): \(Figures.grouped(count))"] + lines + more(samples.count, count)
  }

  private func more(_ shown: Int, _ count: UInt64) -> [String] {
    let rest = count - min(count, UInt64(shown))
    return rest > 0 && shown > 0 ? ["    … \(Figures.grouped(rest)) more"] : []
  }

  // MARK: Dead letters

  private var letters: [String] {
    let letters = report.letters
    var lines = [ink(.strong, "dead letters")]
    func add(_ title: String, _ count: UInt64, _ isOne: (LetterDifferences.Sample) -> Bool) {
      guard count > 0 else { return }
      let samples = letters.samples.filter(isOne)
      lines.append("  \(title): \(Figures.grouped(count))")
      for sample in samples {
        let errors = [sample.old, sample.new].compactMap { $0.map { clipped($0) } }
        lines.append("    \(event(sample.event)): \(errors.joined(separator: " → "))")
      }
      lines += more(samples.count, count)
    }
    add("set aside by the new version", letters.added) { $0.old == nil }
    add("no longer set aside", letters.removed) { $0.new == nil }
    add("set aside for another reason", letters.changed) { $0.old != nil && $0.new != nil }
    return lines
  }

  // MARK: Parts

  private func shown(_ first: FirstEvent) -> String { ink(.dim, "after \(event(first))") }

  private func event(_ event: FirstEvent) -> String {
    "\(event.position) \(DisplayText.escaped(event.time)) \(DisplayText.escaped(event.type)) "
      + "\(clipped(event.key)) (\(clipped(event.id)))"
  }

  private func shown(_ value: StoredValue) -> String { clipped(value.literal) }

  private func clipped(_ text: String) -> String {
    DisplayText.clipped(DisplayText.escaped(text), to: DiffText.valueColumns)
  }
}
