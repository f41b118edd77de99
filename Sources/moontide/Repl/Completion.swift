import MoontideCore

/// What Tab makes of a line. Pure.
struct Completion {
  /// Words that may be meant, by where they fit.
  struct Words {
    var schemas: [String] = []
    /// Tables without their schema, and those of each schema.
    var tables: [String: [String]] = [:]
    /// Of each table, `schema.table`.
    var columns: [String: [String]] = [:]
    /// What Lua knows: handlers and functions. Fields of a handler by its name.
    var lua: [String] = []
    var fields: [String: [String]] = [:]
    var queries: [String] = []
    var types: [String] = []
  }

  struct Answer: Equatable {
    /// Characters before the cursor that `replacement` takes the place of.
    var replaced = 0
    /// Nil: nothing to insert, show `listing` when Tab comes again.
    var replacement: String?
    /// Whole lines.
    var listing = ""
  }

  let words: Words
  /// Names in a folder, folders with a slash behind them.
  let files: (String) -> [String]

  static let keywords = [
    "select", "from", "where", "group by", "order by", "limit", "join", "left join", "using", "on", "as",
    "and", "or", "not", "in", "like", "between", "is null", "is not null", "distinct", "union", "union all",
    "except", "intersect", "with", "recursive", "having", "offset", "case", "when", "then", "else", "end",
    "values", "over", "partition by", "desc", "asc", "exists", "cast", "explain query plan", "match", "glob",
  ]
  static let functions = [
    "abs(", "avg(", "coalesce(", "count(", "date(", "datetime(", "group_concat(", "ifnull(", "iif(", "instr(",
    "json_extract(", "json_each(", "json_group_array(", "json_object(", "lag(", "lead(", "length(", "lower(",
    "max(", "min(", "nullif(", "rank(", "replace(", "round(", "row_number(", "strftime(", "substr(", "sum(",
    "total(", "trim(", "upper(",
  ]

  /// - Parameters:
  ///   - before: the line up to the cursor.
  ///   - isPending: whether the line goes on a statement.
  ///   - columns: how wide the terminal is.
  func complete(_ before: String, isPending: Bool, columns: Int) -> Answer {
    if before.allSatisfy(\.isWhitespace) { return Answer(replacement: "  ") }
    let (word, candidates) = candidates(before, isPending: isPending)
    let fitting = Completion.sorted(candidates, word)
    guard let first = fitting.first else { return Answer() }
    let shared = fitting.dropFirst().reduce(first) { Completion.common($0, $1) }
    if fitting.count == 1 {
      let closing = first.hasSuffix("/") || first.hasSuffix(".") || first.hasSuffix("(") ? "" : " "
      return Answer(replaced: word.unicodeScalars.count, replacement: first + closing)
    }
    if shared.count > word.count {
      return Answer(replaced: word.unicodeScalars.count, replacement: shared)
    }
    return Answer(listing: Completion.table(fitting, columns: columns))
  }

  private func candidates(_ before: String, isPending: Bool) -> (String, [String]) {
    let start = before.drop { $0 == " " || $0 == "\t" }
    if !isPending, start.hasPrefix(".") { return command(String(start)) }
    if !isPending, start.hasPrefix("=") || start.hasPrefix(">") { return lua(String(start.dropFirst())) }
    return sql(before)
  }

  private func command(_ line: String) -> (String, [String]) {
    guard let blank = line.firstIndex(of: " ") else {
      return (line, DotCommand.allCases.map { "." + $0.rawValue })
    }
    let name = String(line[..<blank].dropFirst())
    let rest = String(line[line.index(after: blank)...])
    let word = String(rest.reversed().prefix { !$0.isWhitespace }.reversed())
    switch DotCommand(rawValue: name.lowercased()) {
    case .mode: return (word, OutputFormat.allCases.map(\.rawValue))
    case .timer: return (word, ["on", "off"])
    case .run: return (word, words.queries)
    case .help: return (word, DotCommand.allCases.map(\.rawValue))
    case .schema, .why: return tableNames(word)
    case .tail: return (word, words.types)
    case .output: return (word, ["off"] + paths(word))
    case .asOf, .asKnown: return (word, ["off", "yesterday", "last "])
    case .live: return sql(rest)
    default: return (word, [])
    }
  }

  private func paths(_ word: String) -> [String] {
    let slash = word.lastIndex(of: "/")
    let folder = slash.map { String(word[...$0]) } ?? ""
    return files(folder.isEmpty ? "." : folder).map { folder + $0 }
  }

  private func tableNames(_ word: String) -> (String, [String]) {
    let all = words.tables.flatMap { schema, names in names + names.map { "\(schema).\($0)" } }
    return (word, all)
  }

  private func lua(_ line: String) -> (String, [String]) {
    let word = String(line.reversed().prefix { $0.isLetter || $0.isNumber || "_.".contains($0) }.reversed())
    guard let dot = word.lastIndex(of: ".") else { return (word, words.lua + words.fields.keys.map(closed)) }
    let owner = String(word[..<dot])
    return (word, (words.fields[owner] ?? []).map { closed("\(owner).\($0)") })
  }

  /// A table of functions goes on, a function is called.
  private func closed(_ name: String) -> String { name + (words.fields[name] == nil ? "(" : ".") }

  private func sql(_ line: String) -> (String, [String]) {
    let word = String(line.reversed().prefix { $0.isLetter || $0.isNumber || "_.".contains($0) }.reversed())
    let rest = line.dropLast(word.count)
    // Nothing is completed within a text.
    if rest.filter({ $0 == "'" }).count % 2 == 1 { return (word, []) }
    let parts = word.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if parts.count > 1 {
      let owner = parts.dropLast().joined(separator: ".")
      let tables = words.tables[owner] ?? []
      let columns = words.columns.filter { $0.key == owner || $0.key.hasSuffix("." + owner) }.flatMap(\.value)
      return (word, (tables + columns).map { "\(owner).\($0)" })
    }
    let previous = rest.split(whereSeparator: { !$0.isLetter && $0 != "," }).last.map { $0.lowercased() }
    let tables = words.tables.values.flatMap { $0 } + words.schemas.map { $0 + "." } + ["_"]
    if ["from", "join"].contains(previous) { return (word, tables) }
    return (
      word, Completion.keywords + Completion.functions + tables + words.columns.values.flatMap { $0 }
    )
  }

  /// Those that begin with the word, whatever their case; each once, in order.
  private static func sorted(_ candidates: [String], _ word: String) -> [String] {
    let lower = word.lowercased()
    return Set(candidates.filter { $0.lowercased().hasPrefix(lower) }).sorted()
  }

  /// What both begin with; in the letters of the first.
  private static func common(_ one: String, _ other: String) -> String {
    String(zip(one, other).prefix { $0.lowercased() == $1.lowercased() }.map(\.0))
  }

  /// Columns side by side, filled downwards.
  private static func table(_ names: [String], columns: Int) -> String {
    let shown = names.prefix(Limits.replCandidatesMax)
    let width = (shown.map(DisplayText.width).max() ?? 1) + 2
    let across = max(1, columns / width)
    let lines = (shown.count + across - 1) / across
    var text = ""
    for line in 0..<lines {
      let row = stride(from: line, to: shown.count, by: lines).map {
        DisplayText.padded(shown[$0], to: width)
      }
      text += StatementSplitter.trimmed(row.joined()) + "\n"
    }
    return names.count > shown.count ? text + "… \(names.count - shown.count) more\n" : text
  }
}
