import MoontideCore
import MoontideLua
import MoontideRuntime

/// The scripts that were at work, version by version: takeovers are records of the log, with the text of each
/// file. What a log began with is kept in `data/scripts` until something takes its place: then it goes into
/// the log as well. So a project that nobody edits has no such records.
struct KeptScripts {
  let paths: ProjectPaths
  let files: any FileSystem
  let log: any EventLog

  init(paths: ProjectPaths, files: any FileSystem, log: any EventLog) {
    self.paths = paths
    self.files = files
    self.log = log
  }

  init(_ project: MoontideProject) {
    self.init(paths: project.paths, files: project.files, log: project.log)
  }

  // MARK: Reading

  /// All takeovers, oldest first; the first one has no position while it is in no log.
  func takeovers() throws(Diagnostic) -> [TakeoverRecord] {
    let logged = try LogError.told { () throws(LogError) in try TakeoverRecord.all(in: log) }
    if !logged.isEmpty { return logged }
    return try beginning().map { [$0.record] } ?? []
  }

  /// What is at work, or was last; nil before the first run.
  func last() throws(Diagnostic) -> TakeoverRecord? {
    let logged = try LogError.told { () throws(LogError) in try TakeoverRecord.last(in: log) }
    if let logged { return logged }
    return try beginning()?.record
  }

  /// What the log began with, while nothing has taken its place.
  func beginning() throws(Diagnostic) -> FirstScripts? {
    try FileError.told { () throws(FileError) in
      guard try files.status(paths.firstScripts) != nil else { return nil }
      return FirstScripts(
        lines: try files.contents(paths.firstScripts, bytesMax: Limits.firstScriptsBytesMax))
    }
  }

  /// The scripts of a takeover; nil when a text of them is not kept.
  func scripts(of takeover: TakeoverRecord) throws(Diagnostic) -> ScriptFiles? {
    let first = takeover.position == nil ? try beginning() : nil
    var scripts = ScriptFiles(handlers: [], modules: [:], settings: nil)
    for file in takeover.files {
      let kept = try LogError.told { () throws(LogError) -> [UInt8]? in
        if let text = first?.texts[file.content] { return text }
        return try TakeoverRecord.text(file.content, in: log)
      }
      guard let kept else { return nil }
      scripts.add(ScriptSource(path: file.path, text: kept))
    }
    return scripts
  }

  /// The scripts that define a handler in that version, and when they took over; nil when no takeover has it,
  /// or they do not make it any more. For a thread with a stack of 2 MiB or more.
  func loaded(_ kind: ScriptOutline.Kind, _ name: String, version: String) throws(Diagnostic)
    -> LoadedScripts?
  {
    for takeover in try takeovers().reversed() where takeover.outline[kind, name]?.version == version {
      guard let scripts = try scripts(of: takeover) else { continue }
      let loaded = LoadedScripts(scripts)
      if loaded.outline()[kind, name]?.version == version { return loaded }
    }
    return nil
  }

  // MARK: Writing, for who holds the project

  /// Before handlers of these scripts begin: when other ones were at work before, that they take over is
  /// recorded. Durable when it returns.
  func begin(
    _ loaded: LoadedScripts, only: Set<String>?, archive: HandlerArchive, clock: any WallClock,
    randomness: any Randomness
  ) throws(Diagnostic) {
    let outline = loaded.outline(only: only)
    guard let last = try last() else {
      let record = TakeoverRecord(
        ReloadPlan(from: ScriptOutline([]), to: outline), to: outline, files: loaded.files.kept, before: nil)
      return try write(FirstScripts(record, loaded.files, since: clock.now))
    }
    let known = last.present.filter { entry in
      entry.kind == .settings || entry.kind == .upcaster || only?.contains(entry.name) ?? true
        || outline.entries.contains { $0.was == entry.name }
    }
    var plan = ReloadPlan(from: ScriptOutline(known), to: outline)
    if plan.changes.isEmpty { return }
    try archive.mark(&plan, loaded.catalog.definitions)
    try record(plan, loaded, outline: outline, randomness: randomness)
  }

  /// Records a takeover, and what the log began with should that not be in it. Durable when it returns.
  func record(
    _ plan: ReloadPlan, _ loaded: LoadedScripts, outline: ScriptOutline, randomness: any Randomness
  ) throws(Diagnostic) {
    let before = try last()
    let record = TakeoverRecord(plan, to: outline, files: loaded.files.kept, before: before)
    let first = before?.position == nil ? try beginning() : nil
    try LogError.told { () throws(LogError) in
      let topic = try log.topic(.reloads, partitions: 1).id
      var texts = first.map { Array($0.texts.values) } ?? []
      texts += loaded.files.all.map(\.text)
      for text in texts {
        let batch = DraftBatch()
        TakeoverRecord.draft(keeping: text, topic: topic, into: batch)
        try append(batch)
      }
      let batch = DraftBatch()
      first?.record.draft(id: freshID(randomness), topic: topic, into: batch)
      record.draft(id: freshID(randomness), topic: topic, into: batch)
      try append(batch)
      try log.flush()
    }
    CrashPoint.reach(.afterReloadRecord)
    // A kill before that leaves a file that nobody looks at any more.
    try FileError.told { () throws(FileError) in try files.remove(paths.firstScripts) }
  }

  private func append(_ batch: DraftBatch) throws(LogError) {
    switch try log.append(AppendRequest(batch: batch)) {
    case .written: break
    case .alreadyWritten, .conflicts, .unexpectedVersion:
      preconditionFailure("a text's id is its content, and a takeover's is its own")
    }
  }

  private func freshID(_ randomness: any Randomness) -> String {
    String(randomness.next(), radix: 16) + "-" + String(randomness.next(), radix: 16)
  }

  private func write(_ first: FirstScripts) throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      try files.replace(paths.firstScripts, with: first.lines, isFlushed: true)
      try files.syncDirectory(paths.data)
    }
  }
}

extension ScriptFiles {
  /// Each with the digest of its content.
  var kept: [TakeoverRecord.File] {
    all.map { TakeoverRecord.File(path: $0.path, content: TakeoverRecord.content(of: $0.text)) }
  }

  /// Puts a script where its path says that it belongs.
  mutating func add(_ source: ScriptSource) {
    if source.path.hasPrefix("lib/") {
      modules[ScriptFiles.moduleName(source.path)] = source
    } else if source.path.hasPrefix("handlers/") {
      handlers.append(source)
      handlers.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    } else {
      settings = source
    }
  }
}
