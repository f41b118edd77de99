import MoontideCore
import MoontideHost

/// The statements in a project's `queries/`: `NAME.sql`, the first comment line is the title.
struct SavedQueries {
  struct Entry: Equatable {
    var name: String
    var title: String
  }

  private let folder: String
  private let files = SystemSurroundings.files

  init(_ project: ProjectPaths) { folder = project.queries }

  /// By name; none when there is no such folder.
  func list() throws(Diagnostic) -> [Entry] {
    var entries: [Entry] = []
    for name in try names() { entries.append(Entry(name: name, title: SavedQueries.title(try text(name)))) }
    return entries
  }

  func names() throws(Diagnostic) -> [String] {
    try told { () throws(FileError) in
      guard try files.status(folder)?.isDirectory == true else { return [] }
      return try files.list(folder).filter { $0.hasSuffix(".sql") && !$0.hasPrefix(".") }
        .prefix(Limits.replSavedQueriesMax).map { String($0.dropLast(4)) }
    }
  }

  /// - Throws: `E0697` with the nearest name for one that is not there.
  func text(_ name: String) throws(Diagnostic) -> String {
    let name = name.hasSuffix(".sql") ? String(name.dropLast(4)) : name
    let all = try names()
    guard all.contains(name) else {
      let near = Suggestion.nearest(to: name, among: all)
      throw Diagnostic(
        code: CommandCode.dotCommand.code, "there is no query \(name) in queries/",
        details: [.init("help", near.map { "did you mean .run \($0)?" } ?? ".run lists those that there are")]
      )
    }
    return try told { () throws(FileError) in
      String(
        decoding: try files.contents("\(folder)/\(name).sql", bytesMax: Limits.replStatementBytesMax),
        as: UTF8.self)
    }
  }

  /// Writes a new file.
  func save(_ statement: String, as name: String) throws(Diagnostic) -> String {
    let isName = !name.isEmpty && !name.hasPrefix(".") && !name.contains("/") && name.utf8.count <= 64
    guard isName else {
      throw DotCommand.save.misused("a saved query has a name of at most 64 bytes, without a slash")
    }
    let path = "\(folder)/\(name).sql"
    let isNew = try told { () throws(FileError) in
      try files.createDirectory(folder)
      if try files.status(path) != nil { return false }
      let text = statement.hasPrefix("--") ? statement : "-- \(name)\n" + statement
      let bytes = Array((text + ";\n").utf8)
      try files.open(path, .create).write(bytes, 0..<bytes.count, at: 0)
      return true
    }
    guard isNew else {
      throw DotCommand.save.misused("queries/\(name).sql is there already, and nothing is overwritten")
    }
    return "queries/\(name).sql"
  }

  /// The first comment line.
  static func title(_ text: String) -> String {
    for line in text.split(whereSeparator: \.isNewline) {
      let line = StatementSplitter.trimmed(String(line))
      if line.hasPrefix("--") { return StatementSplitter.trimmed(String(line.drop { $0 == "-" })) }
      if !line.isEmpty { break }
    }
    return ""
  }

  private func told<T>(_ body: () throws(FileError) -> T) throws(Diagnostic) -> T {
    do throws(FileError) { return try body() } catch {
      throw Diagnostic(code: CommandCode.replFile.code, "\(error.operation) \(error.path): \(error.reason)")
    }
  }
}
