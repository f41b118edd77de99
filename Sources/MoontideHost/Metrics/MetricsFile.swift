import Glibc
import MoontideCore
import MoontideRuntime

/// The file of `run --metrics-file`: how a run stands, for a collector that reads text files. Replaced
/// whole, so that no reader sees a half of it. Costs a look at what the threads publish anyway; no log and
/// no store is read. Owned by the thread of the run.
final class MetricsFile {
  private let path: String
  private let files: any FileSystem
  private let clock: any WallClock
  private let started: EventTime
  private var written: Duration?
  private var isTold = false

  init(_ path: String, files: any FileSystem, clock: any WallClock) {
    self.path = path
    self.files = files
    self.clock = clock
    started = clock.now
  }

  /// Whether it is time to write again.
  var isDue: Bool { written.map { clock.monotonic - $0 >= Limits.metricsInterval } ?? true }

  /// What a run shows of itself.
  struct Snapshot {
    var log: any EventLog
    var segments: Int
    var segmentBytes: UInt64
    var ingest: IngestCounts
    var isCaughtUp: Bool
    var groups: [HandlerGroup]
    var openCircuits: Int
  }

  /// Writes the file; returns what went wrong the first time that it does. A run does not end for it.
  func write(_ snapshot: Snapshot) -> Diagnostic? {
    written = clock.monotonic
    do throws(FileError) {
      try files.replace(path, with: Array(text(snapshot).utf8))
      isTold = false
      return nil
    } catch {
      defer { isTold = true }
      return isTold ? nil : error.diagnostic.asWarning
    }
  }

  func text(_ snapshot: Snapshot) throws(FileError) -> String {
    var text = PrometheusText()
    text.add(
      "moontide_build_info", .gauge, "The version that runs; always 1.",
      [.init(labels: [("version", MoontideVersion.text)], value: 1)])
    log(snapshot, &text)
    ingest(snapshot, &text)
    handlers(snapshot.groups, snapshot.log.durableEnd, &text)
    effects(snapshot, &text)
    try process(&text)
    return text.text
  }

  private func log(_ snapshot: Snapshot, _ text: inout PrometheusText) {
    text.add(
      "moontide_log_records_total", .counter, "Durable records of the log, of all kinds.",
      Double(snapshot.log.durableEnd.value))
    text.add("moontide_log_segments", .gauge, "Segment files of the log.", Double(snapshot.segments))
    text.add("moontide_log_bytes", .gauge, "Bytes of the segment files.", Double(snapshot.segmentBytes))
  }

  private func ingest(_ snapshot: Snapshot, _ text: inout PrometheusText) {
    let counts = snapshot.ingest
    text.add("moontide_ingest_lines_total", .counter, "Lines read since the start.", Double(counts.lines))
    text.add("moontide_ingest_events_total", .counter, "Events taken since the start.", Double(counts.events))
    text.add(
      "moontide_ingest_commands_total", .counter, "Commands taken since the start.",
      Double(counts.commands))
    text.add(
      "moontide_ingest_repeats_total", .counter, "Events and commands known already, dropped.",
      Double(counts.repeats))
    text.add(
      "moontide_ingest_quarantined_total", .counter, "Lines set aside since the start.",
      [
        .init(labels: [("reason", "bad_line")], value: Double(counts.quarantined)),
        .init(labels: [("reason", "conflict")], value: Double(counts.conflicts)),
      ])
    text.add("moontide_ingest_files", .gauge, "Files of the event directory.", Double(counts.files))
    text.add(
      "moontide_ingest_pending_bytes", .gauge, "Bytes of those files that are not read yet.",
      Double(counts.bytesTotal - min(counts.bytesDone, counts.bytesTotal)))
    text.add(
      "moontide_caught_up", .gauge, "1 when everything is read and applied.", snapshot.isCaughtUp ? 1 : 0)
  }

  private func handlers(_ groups: [HandlerGroup], _ end: Position, _ text: inout PrometheusText) {
    typealias Sample = PrometheusText.Sample
    func samples(_ value: (HandlerGroup) -> Double?) -> [Sample] {
      groups.compactMap { group in
        value(group).map { Sample(labels: MetricsFile.labels(group), value: $0) }
      }
    }
    func sum(_ value: @escaping (HandlerStatus) -> UInt64) -> [Sample] {
      samples { group in Double(group.boards.reduce(0) { $0 + value($1.status) }) }
    }
    text.add(
      "moontide_handler_events_applied_total", .counter, "Events that the handler applied, ever.",
      sum { $0.applied })
    text.add(
      "moontide_handler_events_skipped_total", .counter, "Events that it passed over, ever.",
      sum { $0.skipped })
    text.add(
      "moontide_handler_events_emitted_total", .counter, "Events that it emitted, ever.", sum { $0.emitted })
    text.add(
      "moontide_handler_lag_records", .gauge,
      "Durable records that it has not come to; those of other types count until it passes them.",
      samples { Double(end.value - min($0.position, end).value) })
    text.add(
      "moontide_handler_held_events", .gauge,
      "Events that wait behind a parked key, the failed one included.",
      sum { UInt64($0.held) })
    text.add(
      "moontide_handler_parked_keys", .gauge, "Keys that are parked.",
      sum { UInt64($0.retrying + $0.parkedDead) })
    text.add("moontide_handler_dead_letters", .gauge, "Dead letters.", sum { UInt64($0.dead) })
    text.add(
      "moontide_handler_event_duration_p99_seconds", .gauge, "99 of 100 sampled calls took no longer.",
      samples { group in group.boards.compactMap(\.status.handlerTimeP99).max().map { $0 / .seconds(1) } })
    let states: [(String, (HandlerGroup) -> Bool)] = [
      ("halted", { $0.halted != nil }), ("waiting", { $0.isWaiting }), ("rebuilding", { $0.isRebuilding }),
      ("degraded", { $0.boards.contains { $0.status.degradedSince != nil } }),
    ]
    text.add(
      "moontide_handler_state", .gauge, "1 for each state that the handler is in; all 0: it simply runs.",
      groups.flatMap { group in
        states.map { state, holds in
          Sample(labels: MetricsFile.labels(group) + [("state", state)], value: holds(group) ? 1 : 0)
        }
      })
  }

  private func effects(_ snapshot: Snapshot, _ text: inout PrometheusText) {
    func samples(_ value: (EffectRelayStatus) -> Double) -> [PrometheusText.Sample] {
      snapshot.groups.compactMap { group in
        group.effects.map { .init(labels: MetricsFile.labels(group), value: value($0.status)) }
      }
    }
    text.add(
      "moontide_effects_open", .gauge, "Effects that are due, or will be tried again.",
      samples { Double($0.open) })
    text.add(
      "moontide_effects_in_flight", .gauge, "Effects that are being performed.",
      samples { Double($0.inFlight.count) })
    text.add(
      "moontide_effects_done_total", .counter, "Effects done since the start.", samples { Double($0.done) })
    text.add(
      "moontide_effects_dead_total", .counter, "Effects given up since the start.",
      samples { Double($0.dead) })
    text.add(
      "moontide_effect_failures_total", .counter, "Tries of effects that failed since the start.",
      samples { Double($0.failures) })
    text.add(
      "moontide_circuits_open", .gauge, "Targets of effects that are left alone for a while.",
      Double(snapshot.openCircuits))
  }

  private static func labels(_ group: HandlerGroup) -> [(name: String, value: String)] {
    [("handler", group.definition.name), ("kind", group.definition.kind.rawValue)]
  }

  private func process(_ text: inout PrometheusText) throws(FileError) {
    text.add(
      "process_start_time_seconds", .gauge, "When this run began, seconds since 1970.",
      Double(started.microseconds / 1_000_000))
    let fields = String(decoding: try files.proc("/proc/self/statm", bytesMax: 128), as: UTF8.self)
      .split(separator: " ")
    if fields.count > 1, let pages = Double(fields[1]) {
      text.add(
        "process_resident_memory_bytes", .gauge, "Resident memory.",
        pages * Double(sysconf(Int32(_SC_PAGESIZE))))
    }
    text.add(
      "process_open_fds", .gauge, "Open file descriptors.", Double(try files.list("/proc/self/fd").count))
  }
}

extension FileSystem {
  /// Up to `bytesMax` bytes of a file of the kernel's, which has no size.
  fileprivate func proc(_ path: String, bytesMax: Int) throws(FileError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: bytesMax)
    let read = try open(path, .read).read(at: 0, count: bytesMax, into: &bytes, at: 0)
    return Array(bytes[..<read])
  }
}
