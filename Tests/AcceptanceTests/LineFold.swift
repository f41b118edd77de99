import Foundation

/// The same questions answered from the event lines alone, by SQLite over their JSON: shares nothing with
/// what it judges. Its table `e(n, ms, type, key, line)` has a row for each line, `n` from 0 in their order,
/// `ms` the event's time in milliseconds since 1970.
final class LineFold {
  private let folder: URL
  private var database: String { folder.appending(path: "lines.sqlite").path }

  /// - Parameter more: SQL to run once, for tables of a set's own.
  init(_ lines: [String], more: String = "") throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "moontide-lines-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appending(path: "lines.jsonl")
    try (lines.joined(separator: "\n") + "\n").write(to: file, atomically: false, encoding: .utf8)
    _ = try Sqlite.run(
      database,
      """
      create table raw(line text);
      .mode ascii
      .separator "\\037" "\\n"
      .import \(file.path) raw
      create table e(n integer primary key, ms integer, type text, key text, line text);
      insert into e select rowid - 1,
        cast(round((julianday(json_extract(line, '$.time')) - 2440587.5) * 86400000) as integer),
        json_extract(line, '$.type'), json_extract(line, '$.key'), line from raw order by rowid;
      drop table raw;
      create index e_ms on e(ms);
      \(more)
      """)
  }

  deinit { Binary.cleanUp(folder) }

  /// Rows of a statement over `s`: the lines before `end` with a time up to `until`.
  func query(_ sql: String, until: Int64 = .max, before end: Int = .max) throws -> [[JSONCell]] {
    let text = try Sqlite.run(
      database,
      """
      create temp table s as select * from e where ms <= \(until) and n < \(end) order by n;
      create index temp.s_key on s(key, type);
      .mode csv
      \(sql);
      """)
    return LineFold.rows(text)
  }

  /// The times of all lines, in their order.
  func times() throws -> [Int64] {
    try Sqlite.run(database, "select ms from e order by n;").split(separator: "\n").compactMap { Int64($0) }
  }

  static func rows(_ text: String) -> [[JSONCell]] {
    text.split(whereSeparator: \.isNewline).map { line in
      line.split(separator: ",", omittingEmptySubsequences: false).map { JSONCell(String($0)) }
    }
  }

  /// RFC 3339 with milliseconds.
  static func text(_ milliseconds: Int64) -> String {
    let (seconds, rest) = milliseconds.quotientAndRemainder(dividingBy: 1_000)
    let whole = Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
    let digits = String(rest)
    return whole.dropLast() + "." + String(repeating: "0", count: 3 - digits.count) + digits + "Z"
  }
}
