import MoontideCore
import MoontideHost
import MoontideJSON
import MoontideLog
import MoontideRuntime
import MoontideSQLite
import Synchronization

/// One life of the process: production code over a disk that may fail, driven by nobody but the simulation.
/// Everything in it is what `moontide run` puts together, but for the threads.
final class ProcessLife {
  private static let lives = Atomic<UInt64>(0)

  let log: SegmentedLog
  /// The log as everybody in the process has it.
  let seam: any EventLog
  let ingest: IngestWorker
  private(set) var handlers: [HandlerLife] = []
  private var deciders: [DeciderLife] = []
  private let performer: SimulatedPerformer?
  let catalog: ProjectCatalog
  /// Where the log ended when the process was up.
  let bornAt: Position
  // Declared before the handlers' end: it must outlive their connections.
  private let vfs: FileSystemVFS

  /// What the life is given.
  struct Setting {
    var disk: SimulatedDisk
    var clock: SimulatedClock
    var numbers: SeededNumbers
    var scene: any Scene
    /// `flush` of the settings; zero: `commit`.
    var flushInterval: Duration
    var bug: PlantedBug?
    var bugNumbers: SeededNumbers
  }

  init(_ setting: Setting) throws(LifeFailure) {
    var files = setting.disk.files()
    if let bug = setting.bug, bug.isOfFiles {
      files = BuggyFiles(files: files, bug: bug, numbers: setting.bugNumbers)
    }
    let number = Self.lives.add(1, ordering: .relaxed).newValue
    vfs = FileSystemVFS(
      name: "simulated-\(number)", files: files, clock: setting.clock, randomness: setting.numbers.fork())
    do throws(LogError) {
      let log = try SegmentedLog(
        directory: "p/data/log", files: files, clock: setting.clock, randomness: setting.numbers.fork(),
        options: LogOptions(
          segmentBytesMax: 9_000, indexSealEntries: 24, markBytes: 700, offsetMarkInterval: 4))
      self.log = log
      if let bug = setting.bug, bug.isOfLog {
        seam = BuggyLog(log, bug, setting.bugNumbers, setting.disk)
      } else if let bug = setting.bug, bug.isOfLedgers {
        seam = BuggyResultLog(log, bug, setting.bugNumbers)
      } else {
        seam = log
      }
    } catch { throw .log(error) }
    bornAt = log.durableEnd
    let catalog = setting.scene.catalog
    self.catalog = catalog
    var options = IngestOptions(flushInterval: setting.flushInterval, pollInterval: .milliseconds(1))
    options.completeCommand = { batch throws(EnvelopeFault) in try Command.complete(batch, catalog: catalog) }
    ingest = IngestWorker(
      directory: EventDirectory(path: "p/events", commands: "p/commands", files: files), files: files,
      log: seam, clock: setting.clock, options: options)
    var surroundings = HandlerSurroundings(
      clock: setting.clock, randomness: setting.numbers.fork(), report: { _ in }, print: { _, _, _ in })
    surroundings.batchRecords = 1 + setting.numbers.below(24)
    let keeper = StoreKeeper(paths: ProjectPaths(root: "p"), files: files, log: log, vfs: vfs.name)
    let performer = setting.scene.performer(setting.clock)
    self.performer = performer
    let handlerSetting = HandlerLife.Setting(
      files: files, vfs: vfs.name, log: seam, keeper: keeper, catalog: catalog,
      surroundings: surroundings, bug: setting.bug, bugNumbers: setting.bugNumbers, performer: performer)
    for name in setting.scene.handlerNames { handlers.append(try HandlerLife(name, handlerSetting)) }
    for name in setting.scene.deciderNames {
      deciders.append(try DeciderLife(name, handlerSetting, log: log))
    }
  }

  deinit {
    handlers.removeAll()
    deciders.removeAll()
  }

  var decider: DeciderLife { deciders[0] }

  /// Everything that a thread would drive.
  var workers: [any Worker] {
    [ingest.parsing, ingest.appending, ingest.flushing, log.maintainer] + handlers.flatMap(\.workers)
      + deciders.map(\.worker) + (performer.map { [$0] } ?? [])
  }

  /// Why it cannot go on by itself.
  var failures: [String] {
    (ingest.progress.failure.map { ["ingest: \($0)"] } ?? [])
      + (handlers.flatMap(\.halts) + deciders.flatMap(\.halts)).map {
        "\($0.title) \($0.details.map(\.text))"
      }
  }

  /// An end as Ctrl-C brings it; what fails then is not needed, and is told.
  /// - Parameter settled: as `run --once` ends.
  func stop(settled: Bool) -> (log: LogError?, handlers: [Diagnostic]) {
    ingest.progress.stop()
    // As threads do: who has finished is not asked again.
    for stage in [ingest.parsing, ingest.appending, ingest.flushing] as [any Worker]
    where ingest.progress.failure == nil {
      for _ in 0..<8 { if stage.step() == .finished { break } }
    }
    // Some of what is on its way comes back before the end.
    _ = performer?.step()
    var problems: [Diagnostic] = []
    for handler in handlers {
      do throws(Diagnostic) { try handler.close(settled: settled) } catch { problems.append(error) }
    }
    for decider in deciders { decider.close() }
    do throws(LogError) { try log.close() } catch { return (error, problems) }
    return (nil, problems)
  }
}
