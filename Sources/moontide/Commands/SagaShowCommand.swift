import ArgumentParser
import MoontideCore
import MoontideHost

/// `saga show [DIR] [SAGA] KEY`: one instance, its steps drawn in text.
struct SagaShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "One instance: its steps, what it waits for, its timers.",
    usage: "moontide saga show [<dir>] [<saga>] <key>",
    discussion: """
      With --json or -o it prints the row of sys.sagas.

      Example: moontide saga show checkout o-77
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(
    help: ArgumentHelp("The project, the saga, then the correlation value.", valueName: "dir> <saga> <key"))
  var words: [String] = []

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let words = try SagaWords(words, options)
      guard words.keys.count == 1 else { throw ValidationError("saga show takes one correlation value") }
      let project = try session.project(words.directory)
      let access = try ProjectDoor.access(project)
      let named = words.saga.map { " and sagas.saga = \(SQLText.quoted($0))" } ?? ""
      let one = "from sys.sagas sagas where sagas.key = \(SQLText.quoted(words.keys[0]))\(named)"
      let found = TextRowsSink()
      try access.query(
        QueryRequest("select saga, key, status, reason, began, changed, time, version, state, pinned \(one)"),
        to: found)
      guard let first = found.rows.first else {
        throw Diagnostic(
          code: HostCode.noSuchInstance.code, "there is no instance \(words.keys[0])",
          details: [.init("help", "moontide saga ls --all shows those that there are")])
      }
      guard found.rows.count == 1 else {
        let sagas = found.rows.map { $0[0] }.joined(separator: ", ")
        throw Diagnostic(
          code: HostCode.noSuchInstance.code, "\(words.keys[0]) is an instance of several sagas: \(sagas)",
          details: [.init("help", "moontide saga show \(found.rows[0][0]) \(words.keys[0])")])
      }
      if options.json || options.format != nil {
        let sink = PrintingSink(options)
        try access.query(QueryRequest("select * \(one)"), to: sink)
        return try sink.finish()
      }
      var parts = Parts()
      for (part, sql) in Self.parts(saga: first[0], key: first[1]) {
        let rows = TextRowsSink()
        try access.query(QueryRequest(sql), to: rows)
        parts[part] = rows.rows
      }
      try StreamSink.standardOutput().write(Self.drawing(first, parts))
    }
  }

  private typealias Parts = [String: [[String]]]

  private static func parts(saga: String, key: String) -> [(String, String)] {
    let one = "sys.sagas sagas"
    let here = "sagas.saga = \(SQLText.quoted(saga)) and sagas.key = \(SQLText.quoted(key))"
    return [
      (
        "steps",
        """
        select json_extract(step.value, '$.name'), json_extract(step.value, '$.phase'),
          coalesce(
            strftime('%Y-%m-%dT%H:%M:%SZ', json_extract(step.value, '$.since') / 1000000, 'unixepoch'), ''),
          coalesce(json_extract(step.value, '$.result'), ''),
          coalesce(json_extract(step.value, '$.tries'), '')
        from \(one), json_each(sagas.steps) step where \(here)
        """
      ),
      (
        "pending",
        """
        select json_extract(command.value, '$.for'), json_extract(command.value, '$.id')
        from \(one), json_each(sagas.pending) command where \(here)
        """
      ),
      (
        "notes",
        """
        select json_extract(note.value, '$.kind'), json_extract(note.value, '$.text'),
          json_extract(note.value, '$.position')
        from \(one), json_each(sagas.notes) note where \(here)
        """
      ),
      (
        "timers",
        """
        select timer, due, clock from sys.timers
        where saga = \(SQLText.quoted(saga)) and key = \(SQLText.quoted(key)) order by due_us
        """
      ),
    ]
  }

  /// What stands before a step.
  private static let marks: [String: String] = [
    "idle": "·", "waiting": "▸", "succeeded": "✓", "skipped": "–", "failed": "✗", "timedOut": "⧖",
    "abandoned": "?", "compensating": "↺", "compensated": "↩", "stuck": "!",
  ]
  /// How a phase reads.
  private static let words: [String: String] = [
    "idle": "", "waiting": "waiting", "succeeded": "done", "skipped": "nothing to do", "failed": "failed",
    "timedOut": "timed out", "abandoned": "given up", "compensating": "compensating",
    "compensated": "compensated", "stuck": "stuck",
  ]

  private static func drawing(_ one: [String], _ parts: Parts) -> String {
    var lines = ["\(one[0]) \(one[1]): \(one[2])" + (one[3].isEmpty ? "" : " (\(one[3]))")]
    lines.append(
      "  began at #\(one[4]), changed at #\(one[5]), \(one[6]), script \(one[7])"
        + (one[9] == "1" ? " (old code: pinned)" : ""))
    let width = parts["steps"]?.map { $0[0].count }.max() ?? 0
    for step in parts["steps"] ?? [] {
      let name = step[0] + String(repeating: " ", count: max(0, width - step[0].count))
      let word = words[step[1]] ?? step[1]
      var line = "  \(marks[step[1]] ?? " ") \(word.isEmpty ? step[0] : name)"
      if !word.isEmpty { line += "  \(word) since \(step[2])" }
      if !step[3].isEmpty { line += ", result #\(step[3])" }
      if !step[4].isEmpty { line += ", \(step[4]) tries refused" }
      lines.append(line)
    }
    for timer in parts["timers"] ?? [] {
      lines.append(
        "  timer \(timer[0]): due \(timer[1]) by \(timer[2] == "event" ? "event time" : "the clock")")
    }
    for command in parts["pending"] ?? [] {
      lines.append("  no outcome yet: \(command[1]) (\(command[0]))")
    }
    for note in parts["notes"] ?? [] { lines.append("  \(note[0]): \(note[1]) at #\(note[2])") }
    if !one[8].isEmpty { lines.append("  state \(one[8])") }
    return lines.joined(separator: "\n") + "\n"
  }
}
