import MoontideCore
import MoontideHost

/// What Tab can complete, gathered when it is first pressed and again when the read models have changed.
final class CompletionWords {
  private let session: ReplSession
  private var words: Completion.Words?
  private var mark: ChangeMark?
  private var known: Set<String> = []
  /// Whether the line goes on a statement.
  var isPending = false

  init(_ session: ReplSession) { self.session = session }

  func complete(_ line: String, cursor: Int, columns: Int) -> Completion.Answer {
    let now = ChangeMark(session.project)
    let attached = Set(session.settings.attached.keys)
    if words == nil || mark != now || attached != known { words = gathered() }
    mark = now
    known = attached
    let before = String(decoding: line.utf8.prefix(cursor), as: UTF8.self)
    return Completion(words: words ?? Completion.Words(), files: CompletionWords.names)
      .complete(before, isPending: isPending, columns: columns)
  }

  /// As much as can be known: a project that another process holds for a moment has fewer words.
  private func gathered() -> Completion.Words {
    var words = Completion.Words()
    do throws(Diagnostic) {
      words.lua = LuaLine.names
      words.fields = try session.lua.handlers()
      words.queries = try SavedQueries(session.project).names()
      for table in try session.queries.tables(system: true) {
        words.tables[table.schema, default: []].append(table.name)
        words.columns["\(table.schema).\(table.name)"] = table.columns
      }
      words.types = try session.lua.types()
    } catch { words.schemas = [] }
    let own = words.tables.filter { $0.key != "sys" }.values.flatMap { $0 }
    for name in session.settings.attached.keys { words.tables[name] = own }
    words.schemas = words.tables.keys.sorted()
    return words
  }

  private static func names(_ folder: String) -> [String] {
    let files = SystemSurroundings.files
    do throws(FileError) {
      var names: [String] = []
      for name in try files.list(folder).prefix(Limits.replCandidatesMax * 10) where !name.hasPrefix(".") {
        let isFolder = try files.status(folder + "/" + name)?.isDirectory == true
        names.append(isFolder ? name + "/" : name)
      }
      return names
    } catch {
      // A folder that cannot be read completes nothing.
      return []
    }
  }
}
