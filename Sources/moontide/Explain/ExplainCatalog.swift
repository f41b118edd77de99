import MoontideCore

/// What `moontide explain CODE` knows: the codes of all rooms in one place.
struct ExplainCatalog: Sendable {
  /// One code, as its room tells it.
  struct Entry: Sendable, Equatable {
    var code: String
    var title: String
    var meaning: String
    var mend: String
  }

  /// In order of code.
  let entries: [Entry]

  /// - Parameter rooms: the enums of the rooms; a code belongs to one of them.
  init(_ rooms: [any ExplainedCode.Type]) {
    entries = rooms.flatMap(ExplainCatalog.entries).sorted { $0.code < $1.code }
    for (earlier, later) in zip(entries, entries.dropFirst()) {
      precondition(
        earlier.code != later.code, "two rooms explain \(later.code): \(earlier.title), \(later.title)")
    }
  }

  private static func entries(of room: any ExplainedCode.Type) -> [Entry] { collect(room) }

  private static func collect<Room: ExplainedCode>(_ room: Room.Type) -> [Entry] {
    room.allCases.map { Entry(code: $0.code, title: $0.title, meaning: $0.meaning, mend: $0.mend) }
  }

  /// - Parameter code: as typed: `E0301`, `e0301`, `301`.
  /// - Throws: a `Diagnostic` that names the nearest code.
  func entry(_ code: String) throws(Diagnostic) -> Entry {
    let wanted = ExplainCatalog.normal(code)
    if let entry = entries.first(where: { $0.code == wanted }) { return entry }
    var diagnostic = Diagnostic(code: CommandCode.unknownCode.code, "no error has the code “\(code)”")
    if let near = Suggestion.nearest(to: wanted, among: entries.map(\.code)),
      let entry = entries.first(where: { $0.code == near })
    {
      diagnostic = diagnostic.adding("note", "near it is \(entry.code): \(entry.title)")
    }
    throw diagnostic.adding("help", "moontide explain lists all codes")
  }

  private static func normal(_ code: String) -> String {
    let upper = code.uppercased()
    let digits = upper.hasPrefix("E") ? upper.dropFirst() : upper[...]
    guard (1...4).contains(digits.count), digits.allSatisfy({ $0.isASCII && $0.isNumber }) else {
      return upper
    }
    return "E" + String(repeating: "0", count: 4 - digits.count) + digits
  }

  /// The page of one code, wrapped to `columns`, with its closing newline.
  static func page(_ entry: Entry, columns: Int, colors: Bool) -> String {
    let ink = Ink(colors: colors)
    let width = min(max(columns, 40), 100)
    let paragraphs = entry.meaning.split(separator: "\n\n").map { wrapped(String($0), width, indent: "") }
    return """
      \(ink(.strong, entry.code + ": " + entry.title))

      \(paragraphs.joined(separator: "\n\n"))

      \(ink(.strong, "What to do"))
      \(wrapped(entry.mend, width, indent: "  "))

      """
  }

  /// Breaks at blanks; line ends in the text stay.
  static func wrapped(_ text: String, _ columns: Int, indent: String) -> String {
    var lines: [String] = []
    for source in text.split(separator: "\n", omittingEmptySubsequences: false) {
      var line = ""
      for word in source.split(separator: " ") {
        if !line.isEmpty, DisplayText.width(indent + line) + 1 + DisplayText.width(String(word)) > columns {
          lines.append(indent + line)
          line = ""
        }
        line += (line.isEmpty ? "" : " ") + word
      }
      lines.append(indent + line)
    }
    return lines.joined(separator: "\n")
  }
}
