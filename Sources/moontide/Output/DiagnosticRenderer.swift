import MoontideCore

/// Turns a `Diagnostic` into text: the one shape of every error, or a line of JSON for tools.
///
///     error[E0301]: what is wrong
///       --> handlers/receipts.lua:24:29
///        |
///     24 |       to = event.data.customer.email,
///        |                       ^^^^^^^^ nil here
///        = event: events/1@1042 (#48211)
///        = help:  moontide dead show d-1
struct DiagnosticRenderer: Sendable {
  private let format: ErrorFormat
  private let ink: Ink
  private let columns: Int

  /// - Parameter terminal: of the stream that the text goes to; its width clips excerpts.
  init(_ format: ErrorFormat, terminal: Terminal) {
    self.format = format
    ink = Ink(colors: terminal.colors)
    columns = max(40, terminal.columns ?? Limits.excerptColumnsDefault)
  }

  /// The text of one problem, with its closing newline.
  func render(_ diagnostic: Diagnostic) -> String {
    switch format {
    case .text: text(diagnostic)
    case .json: DiagnosticRenderer.json(diagnostic) + "\n"
    }
  }

  /// Several problems, an empty line between them in text.
  func render(_ diagnostics: [Diagnostic]) -> String {
    diagnostics.map(render).joined(separator: format == .text ? "\n" : "")
  }

  private func text(_ diagnostic: Diagnostic) -> String {
    let role: Ink.Role =
      switch diagnostic.severity {
      case .error: .error
      case .warning: .warning
      case .note: .note
      }
    let head = diagnostic.severity.rawValue + (diagnostic.code.isEmpty ? "" : "[\(diagnostic.code)]")
    let title = DisplayText.escapedLines(diagnostic.title)
    var lines = [ink(role, head) + ink(.strong, ": " + (title.first ?? ""))]
    lines += title.dropFirst().map { "  " + $0 }
    let digits = diagnostic.place.map { String(max(1, $0.line)).count } ?? 2
    let gutter = String(repeating: " ", count: digits + 1)
    if let place = diagnostic.place { lines += excerpt(of: place, gutter: gutter, role: role) }
    lines += details(diagnostic.details, gutter: gutter)
    return lines.joined(separator: "\n") + "\n"
  }

  private func excerpt(of place: SourcePlace, gutter: String, role: Ink.Role) -> [String] {
    var address = DisplayText.escaped(place.file)
    if place.line > 0 { address += ":\(place.line)" }
    if let column = place.column { address += ":\(column)" }
    let arrow = gutter.dropLast() + ink(.frame, "-->") + " " + address
    let label = DisplayText.escaped(place.label)
    guard let text = place.excerpt, place.line > 0 else {
      return [label.isEmpty ? arrow : arrow + " · " + label]
    }
    let bar = ink(.frame, gutter + "|")
    let line = ExcerptLine(
      text, column: place.column, width: place.width, columns: max(20, columns - gutter.count - 3))
    let number = DisplayText.padded(String(place.line), to: gutter.count)
    var lines = [arrow, bar, ink(.frame, number + "|") + (line.text.isEmpty ? "" : " " + line.text)]
    if place.column != nil || !label.isEmpty {
      let carets = String(repeating: "^", count: line.caretCount)
      lines.append(
        bar + String(repeating: " ", count: 1 + line.caretIndent)
          + ink(role, label.isEmpty ? carets : carets + " " + label))
    }
    return lines
  }

  private func details(_ details: [Diagnostic.Detail], gutter: String) -> [String] {
    let widest = details.map { DisplayText.width($0.label) }.max() ?? 0
    return details.flatMap { detail in
      let label = DisplayText.padded(DisplayText.escaped(detail.label) + ":", to: widest + 1)
      let texts = DisplayText.escapedLines(detail.text)
      let first = ink(.frame, gutter + "=") + " " + ink(.strong, label) + " " + (texts.first ?? "")
      let indent = String(repeating: " ", count: gutter.count + 2 + widest + 2)
      return [first] + texts.dropFirst().map { indent + $0 }
    }
  }

  /// One object: `severity`, `code`, `title`, then `file`, `line`, `column`, `width`, `label`, `excerpt` as
  /// far as they are known, then `details`, a list of `{label, text}`.
  static func json(_ diagnostic: Diagnostic) -> String {
    var members = [
      (name: "severity", value: JSONText.string(diagnostic.severity.rawValue)),
      (name: "code", value: JSONText.string(diagnostic.code)),
      (name: "title", value: JSONText.string(diagnostic.title)),
    ]
    if let place = diagnostic.place {
      members.append((name: "file", value: JSONText.string(place.file)))
      members.append((name: "line", value: String(place.line)))
      if let column = place.column {
        members.append((name: "column", value: String(column)))
        members.append((name: "width", value: String(place.width)))
      }
      if !place.label.isEmpty { members.append((name: "label", value: JSONText.string(place.label))) }
      if let excerpt = place.excerpt { members.append((name: "excerpt", value: JSONText.string(excerpt))) }
    }
    let details = diagnostic.details.map {
      JSONText.object([
        (name: "label", value: JSONText.string($0.label)), (name: "text", value: JSONText.string($0.text)),
      ])
    }
    members.append((name: "details", value: "[" + details.joined(separator: ",") + "]"))
    return JSONText.object(members)
  }
}
