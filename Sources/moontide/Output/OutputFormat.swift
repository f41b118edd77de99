/// `-o`: how rows are printed.
enum OutputFormat: String, CaseIterable, Sendable {
  /// Aligned columns for a person.
  case table
  /// One array of objects.
  case json
  /// One object a line.
  case jsonl
  /// RFC 4180 with a header.
  case csv
  /// A table in Markdown.
  case md
  /// One `column = value` a line, an empty line between rows.
  case line
}

/// `--error-format`: how errors are printed on stderr.
enum ErrorFormat: String, CaseIterable, Sendable {
  case text
  /// One object a line.
  case json
}
