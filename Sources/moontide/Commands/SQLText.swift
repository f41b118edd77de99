/// Text inside of SQL statements.
enum SQLText {
  /// A string literal of SQL.
  static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
  }
}
