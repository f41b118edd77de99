import MoontideCore
import MoontideLog

/// What a repair puts right, gives up and touches, as rows.
struct RepairReport {
  static let columns = ["what", "place", "bytes", "positions", "found", "next"]

  private(set) var rows: [[String]] = []
  /// Read models that hold what is lost, or do not know that it is.
  private(set) var refolded: [RepairStores.Store] = []
  private let paths: ProjectPaths

  init(
    _ paths: ProjectPaths, _ files: any FileSystem, _ plan: LogRepair.Plan, _ stores: RepairStores,
    folder: String?
  ) {
    self.paths = paths
    for correction in plan.corrections {
      add(
        "mended", "\(paths.relative(correction.file)):\(correction.byteOffset)", 1, nil,
        "one bit had flipped; its checksum says which", "nothing is lost")
    }
    rest("mended", plan.correctionCount - plan.corrections.count)
    for loss in plan.losses { add(loss) }
    rest("lost", plan.lossCount - plan.losses.count)
    if plan.tornTailBytes > 0, plan.isNeeded {
      add(
        "tail", "", plan.tornTailBytes, nil, "the log ends with what was never acknowledged", "it is dropped")
    }
    if !plan.lostSequences.isEmpty { sources(plan, files) }
    if plan.isNeeded { self.stores(plan, stores) }
    for path in plan.rewritten {
      add(
        "segment", paths.relative(path), nil, nil, "is written anew",
        folder.map { "the old file: \(paths.relative($0))/\(path.split(separator: "/").last ?? "")" }
          ?? "the old file is kept in data/repairs/")
    }
  }

  /// The rows as lines, for the file that is kept.
  var text: String {
    ([RepairReport.columns] + rows).map { $0.joined(separator: "\t") + "\n" }.joined()
  }

  private mutating func add(
    _ what: String, _ place: String, _ bytes: UInt64?, _ positions: Range<Position>?, _ found: String,
    _ next: String
  ) {
    let range = positions.flatMap { range -> String? in
      if range.isEmpty { return nil }
      let last = Position(range.upperBound.value - 1)
      return last == range.lowerBound ? "\(last)" : "\(range.lowerBound) to \(last)"
    }
    rows.append([what, place, bytes.map { "\($0)" } ?? "", range ?? "", found, next])
  }

  private mutating func rest(_ what: String, _ count: Int) {
    if count > 0 { add(what, "", nil, nil, "and \(count) more", "") }
  }

  private mutating func add(_ loss: LogRepair.Loss) {
    let place = "\(paths.relative(loss.file)):\(loss.bytes.lowerBound)"
    let count = loss.positions.upperBound.value - loss.positions.lowerBound.value
    add(
      count > 0 ? "lost" : "bytes", place, UInt64(loss.bytes.count), loss.positions, loss.reason,
      count > 0 ? "\(Counted.text(count, "record")) given up; the log records the gap" : "no record is lost")
    for record in loss.known {
      add(
        "record", place, nil, record.position..<record.position.next,
        "it seems to have been \(record.type) of key \(record.key) with id \(record.id)", "")
    }
  }

  /// Where what is lost came from, if a file of the event directory still has it.
  private mutating func sources(_ plan: LogRepair.Plan, _ files: any FileSystem) {
    var names: [String: String] = [:]
    for file in EventDirectory(path: paths.events, files: files).scan().files {
      names["file:\(file.status.inode)"] = file.name
    }
    for lost in plan.lostSequences {
      let producer = lost.producer.text
      let inode = producer.split(separator: ":").prefix(2).joined(separator: ":")
      let range = "\(lost.sequence.lowerBound) to \(lost.sequence.upperBound)"
      if producer.hasPrefix("file:"), let name = names[inode] {
        add(
          "source", name, UInt64(lost.sequence.count), nil,
          "lines of its bytes \(range) are among what is lost",
          "cp \(name) under another name in events/: known ids are dropped, the lost ones come again")
      } else {
        add(
          "source", producer, nil, nil, "its numbers \(range) are among what is lost",
          producer.hasPrefix("file:") ? "the file is not in events/ any more" : "")
      }
    }
  }

  private mutating func stores(_ plan: LogRepair.Plan, _ stores: RepairStores) {
    for (path, reason) in stores.unreadable {
      add("store", paths.relative(path), nil, nil, "cannot be read: \(reason)", "moontide doctor")
    }
    guard let first = plan.firstLost else { return }
    for store in stores.stores where store.reached > first {
      let place = paths.relative(store.path)
      if store.isProjection {
        refolded.append(store)
        add(
          "read model", place, nil, nil, "has come to \(store.reached), beyond what is lost",
          "is moved beside the old segments; the next run folds it anew")
      } else {
        add(
          "consumer", place, nil, nil, "has come to \(store.reached), beyond what is lost",
          "keeps its state and place; what comes again from its source it handles again")
      }
    }
    for store in stores.stores where !store.isProjection {
      let gone = store.waiting.count { position in
        plan.losses.contains { $0.positions.contains(position) }
      }
      guard gone > 0 else { continue }
      add(
        "waiting", paths.relative(store.path), nil, nil,
        "\(Counted.text(UInt64(gone), "event")) that failed or wait behind one are lost", "are let go")
    }
  }
}
