public import MoontideCore
import MoontideJSON
import MoontideLog
import MoontideRuntime
import Synchronization

/// A project that this process holds: its log is open and its scripts are loaded. Nothing runs before `run`.
/// End with `close`.
public final class MoontideProject: Sendable {
  public let paths: ProjectPaths
  /// What is wrong with the scripts that lie there, when those that were last at work run in their place.
  public let refused: [Diagnostic]
  /// The content of those.
  let refusedContent: Digest?
  /// Settings and definitions as they are at work now; a run may take up edited ones.
  private let scripts: Mutex<LoadedScripts>
  let files: any FileSystem
  let clock: any WallClock
  let randomness: any Randomness
  let segmentedLog: SegmentedLog
  /// What `sys.events` knows of the log without reading it.
  let outline: LogOutline
  private let lock: ProjectLock

  /// The log, for a program that embeds Moontide.
  public var log: any EventLog { segmentedLog }

  /// Takes the project's lock, loads settings and scripts, and opens the log, recovering it if the last
  /// process was killed. Throws everything that is wrong with the scripts at once.
  /// - Parameter orKept: whether scripts that were last at work take the place of such that do not load, if
  ///   there are any.
  public static func open(
    _ paths: ProjectPaths, orKept: Bool = false
  ) throws(ProjectFault) -> MoontideProject {
    let files = PosixFileSystem()
    let lock = try ProjectFault.told { () throws(Diagnostic) in try held(paths, files: files) }
    let loaded = try ProjectFault.told { () throws(Diagnostic) in try LoadedScripts.load(paths, files: files)
    }
    if loaded.hasErrors, !orKept { throw ProjectFault(loaded.problems) }
    let project = try ProjectFault.told { () throws(Diagnostic) in
      try MoontideProject(paths, loaded, files: files, lock: lock)
    }
    if loaded.hasErrors {
      let kept = try ProjectFault.told { () throws(Diagnostic) in try project.lastAtWork() }
      guard let kept else { throw ProjectFault(loaded.problems) }
      project.takeUp(kept)
    }
    if let changed = project.changedPartitions { throw ProjectFault([changed]) }
    return project
  }

  /// The scripts of the last takeover, where they still load.
  private func lastAtWork() throws(Diagnostic) -> LoadedScripts? {
    let kept = KeptScripts(self)
    guard let last = try kept.last(), let scripts = try kept.scripts(of: last) else { return nil }
    let loaded = LoadedScripts(scripts)
    return loaded.hasErrors ? nil : loaded
  }

  /// What is not an error and should be known.
  public var warnings: [Diagnostic] { loaded.problems }

  /// The same, again and again while the system is short of what it needs (room on the disk, descriptors),
  /// and for a few seconds while a short command holds the project.
  /// `waiting` is told of it, about once a second, and says whether to go on; nil when not.
  public static func open(
    _ paths: ProjectPaths, orKept: Bool = false, waiting: (Diagnostic) throws(ProjectFault) -> Bool
  ) throws(ProjectFault) -> MoontideProject? {
    let clock = SystemClock()
    let deadline = clock.monotonic + Limits.shortCommandTime
    while true {
      do throws(ProjectFault) { return try open(paths, orKept: orKept) } catch {
        guard let short = error.problems.first(where: { $0.severity == .error }) else { throw error }
        if short.code == HostCode.locked.code {
          guard clock.monotonic < deadline else { throw error }
          // Who answers there is a run, which does not end by itself.
          let isRun = try ProjectFault.told { () throws(Diagnostic) in
            try ControlClient.connect(paths) != nil
          }
          if isRun { throw error }
          if try !waiting(short.asWarning("a short command may hold it; waits a moment for its end")) {
            return nil
          }
          continue
        }
        guard short.isPassing else { throw error }
        if try !waiting(short.asWarning) { return nil }
      }
      clock.sleep(for: Limits.fullDiskPause)
    }
  }

  /// The settings ask for another number of partitions than a topic was made with: said before anything runs,
  /// not when the first event of that topic comes.
  var changedPartitions: Diagnostic? { MoontideProject.changedPartitions(settings, log.topics()) }

  static func changedPartitions(_ settings: ProjectSettings, _ topics: [TopicDescription]) -> Diagnostic? {
    for topic in topics {
      guard let asked = settings.partitions[topic.name], asked != topic.partitions else { continue }
      return LogError.partitionCount(topic: topic.name, has: topic.partitions, asked: asked).diagnostic
    }
    return nil
  }

  /// Holds the project for one command. Scripts that do not load are left out: asking goes on without them.
  static func hold(_ paths: ProjectPaths) throws(Diagnostic) -> MoontideProject {
    let files = PosixFileSystem()
    let lock = try held(paths, files: files)
    return try MoontideProject(paths, try LoadedScripts.load(paths, files: files), files: files, lock: lock)
  }

  /// The same by a path, as an embedding program would name it.
  public static func open(at path: String) throws(ProjectFault) -> MoontideProject {
    let paths = try ProjectFault.told { () throws(Diagnostic) in
      try ProjectFinder.find(path, files: PosixFileSystem())
    }
    return try open(paths)
  }

  private init(
    _ paths: ProjectPaths, _ loaded: LoadedScripts, files: any FileSystem, lock: ProjectLock
  ) throws(Diagnostic) {
    self.paths = paths
    self.files = files
    self.lock = lock
    scripts = Mutex(loaded)
    refused = loaded.hasErrors ? loaded.problems : []
    refusedContent = loaded.hasErrors ? loaded.files.digest : nil
    clock = SystemClock()
    randomness = SystemRandomness()
    let (clock, randomness) = (clock, randomness)
    segmentedLog = try LogError.told { () throws(LogError) in
      try SegmentedLog(directory: paths.log, files: files, clock: clock, randomness: randomness)
    }
    outline = LogOutline(segmentedLog, OutlineFile(paths, files, clock, randomness))
  }

  var settings: ProjectSettings { scripts.withLock { $0.settings } }
  /// Whoever works with it for longer keeps the one that it began with.
  var catalog: ProjectCatalog { scripts.withLock { $0.catalog } }

  var loaded: LoadedScripts { scripts.withLock { $0 } }

  /// From now on these are the project's. For the thread that has started what they define.
  func takeUp(_ loaded: LoadedScripts) { scripts.withLock { $0 = loaded } }

  /// Ingests the event directory and runs the handlers until `stop` says so, or, with `once`, until
  /// everything is applied. One run at a time. `started` is given the way to ask and publish beside it, for
  /// any thread.
  public func run(
    _ options: RunOptions, observer: any RunObserver, until stop: () -> Bool,
    started: (any ProjectAccess & Sendable) -> Void = { _ in }
  ) throws(Diagnostic) -> RunReport {
    try ProjectRun(self, options, observer).run(until: stop, started: started)
  }

  /// Ingests what is there, runs every handler to its end, and returns.
  @discardableResult public func runOnce() throws(Diagnostic) -> RunReport {
    var options = RunOptions()
    options.once = true
    return try run(options, observer: QuietObserver(), until: { false })
  }

  /// The rows of one read-only statement, each as texts by column name; NULL is left out.
  public func query(_ sql: String) throws(Diagnostic) -> [[String: String]] {
    let sink = CollectingSink()
    try RunningAccess(self).query(QueryRequest(sql), to: sink)
    return sink.rows
  }

  /// The same over read models as they were; on a thread with a stack of 2 MiB or more.
  public func query(_ sql: String, at moment: PastMoment) throws(Diagnostic) -> [[String: String]] {
    let sink = CollectingSink()
    try PastQuery(paths).run(QueryRequest(sql), at: moment, to: sink, observer: QuietObserver())
    return sink.rows
  }

  /// Writes down what makes the next opening quick. Not needed for safety: should the system be short of room
  /// for it, that is what it returns, for showing.
  @discardableResult public func close() throws(Diagnostic) -> Diagnostic? {
    do throws(Diagnostic) { try LogError.told { () throws(LogError) in try segmentedLog.close() } } catch {
      guard error.isPassing else { throw error }
      return error.asWarning("nothing is lost; the next opening reads the end of the log again")
    }
    return nil
  }

  /// All codes that the rooms below the command line report.
  public static let explainedCodes: [any ExplainedCode.Type] = [
    EnvelopeRule.self, RuntimeCode.self, HostCode.self, TraceCode.self,
  ]

  /// The lock of a writer, and the folders that it needs.
  static func held(_ paths: ProjectPaths, files: any FileSystem) throws(Diagnostic) -> ProjectLock {
    try FileError.told { () throws(FileError) in
      for folder in [paths.data, paths.log, paths.readModels, paths.handlerFiles, paths.cache] {
        try files.createDirectory(folder)
      }
      // Files are durable only in a directory that is.
      for folder in [paths.data, paths.root] { try files.syncDirectory(folder) }
    }
    switch try ProjectLock.take(paths.lock, patience: .milliseconds(500)) {
    case .success(let lock): return lock
    case .failure(let held):
      let owner = held.pid.map { "process \($0)" } ?? "another process"
      throw Diagnostic(
        .locked, "\(owner) holds \(paths.root)",
        help: "query, lag and append work beside it; stop it with Ctrl-C before another run")
    }
  }
}

extension ProjectFault {
  /// Runs `body` and tells a failure as a fault of one problem.
  public static func told<T>(_ body: () throws(Diagnostic) -> T) throws(ProjectFault) -> T {
    do throws(Diagnostic) { return try body() } catch { throw ProjectFault([error]) }
  }
}
