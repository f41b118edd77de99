import Glibc
import MoontideCore

/// A disk with a page cache, whose faults and crashes follow from a seed. A process sees it through
/// `files()`, which dies with the process.
///
/// - A file's bytes are durable after its sync, its name after the sync of its directory. A power cut leaves
///   any of the other sectors, and of each directory's other changes those up to one of them.
/// - A kill leaves the page cache.
/// - A sync that fails leaves some sectors unwritten, which the system then takes for written.
///
/// `@unchecked Sendable`: a simulation is one thread.
final class SimulatedDisk: @unchecked Sendable {
  private enum Change {
    case link(String, DiskNode)
    case unlink(String)
    case move(String, String, DiskNode)
  }

  let numbers: SeededNumbers
  var faults = DiskFaults.none
  /// Bytes by which files may grow.
  var room = Int.max
  /// While it is set nothing fails, and nothing is counted.
  var isPaused = false
  /// The number of the changing operation at which the process dies.
  var crashAt = Int.max
  /// Asked at every changing operation; true: the process dies there.
  var crashProbe: ((_ operation: Int) -> Bool)?
  /// Operations that change something, so far.
  private(set) var operations = 0
  /// Faults other than a want of room.
  private(set) var faultCount = 0
  /// Those of them that do not pass by themselves: all but EMFILE.
  private(set) var graveFaultCount = 0
  private(set) var flipCount = 0
  private(set) var isDown = false
  private(set) var epoch = 0
  private var live: [String: DiskNode] = [:]
  private var durable: [String: DiskNode] = [:]
  private var pending: [String: [Change]] = [:]
  private var nextNumber: UInt64 = 1
  /// A short text for each of the last operations, for a failing seed.
  private(set) var trace: [String] = []
  var isTracing = false
  /// Of all operations: equal for equal runs.
  private(set) var digest = Digest.zero

  init(_ numbers: SeededNumbers) { self.numbers = numbers }

  // MARK: Processes

  /// The disk as the running process sees it.
  func files() -> any FileSystem { ProcessFiles(disk: self, epoch: epoch) }

  /// Nothing of the process reaches the disk any more, not even what it does at its end.
  func stopProcess() { isDown = true }

  /// The process is gone, the system stays.
  func kill() {
    note("KILL")
    epoch += 1
    isDown = false
    for node in allNodes where numbers.chance(0.5) || !isOfLog(node) { node.evict() }
  }

  /// Only what is durable stays.
  func cutPower() {
    note("POWER CUT")
    epoch += 1
    isDown = false
    for directory in pending.keys.sorted() {
      let changes = pending[directory] ?? []
      let share = numbers.pick([0, changes.count, numbers.below(changes.count + 1)])
      for change in changes.prefix(share) { settle(change) }
    }
    pending = [:]
    for node in allNodes { node.cutPower(numbers) }
    for path in durable.keys.sorted() {
      let above = Self.directory(of: path)
      if !above.isEmpty, durable[above] == nil { durable[path] = nil }
    }
    live = durable
  }

  private var allNodes: [DiskNode] {
    var seen: Set<UInt64> = []
    return (live.keys.sorted().compactMap { live[$0] } + durable.keys.sorted().compactMap { durable[$0] })
      .filter { seen.insert($0.number).inserted }
  }

  private func isOfLog(_ node: DiskNode) -> Bool {
    live.contains { $0.value === node && Self.isOfLog($0.key) }
  }

  static func isOfLog(_ path: String) -> Bool { path.contains("/log/") }

  static func directory(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
  }

  // MARK: Around the faults

  /// Makes a directory that is durable.
  func make(directory path: String) {
    let node = DiskNode(number: takeNumber(), isDirectory: true)
    live[path] = node
    durable[path] = node
  }

  /// Appends to a file, durably, and returns its inode.
  func append(_ bytes: [UInt8], to path: String) -> UInt64 {
    let node = live[path] ?? DiskNode(number: takeNumber(), isDirectory: false)
    live[path] = node
    durable[path] = node
    node.append(durably: bytes)
    node.modified += 1
    return node.number
  }

  /// Everything that stands below a path, with its bytes, as the processes see it.
  func bytes(_ path: String) -> [UInt8]? { live[path]?.cache }

  private func takeNumber() -> UInt64 {
    defer { nextNumber += 1 }
    return nextNumber
  }

  // MARK: Operations

  /// What becomes of one operation.
  enum Fate {
    case goesOn
    case fails(Int32)
    /// The process dies, before it or after it.
    case dies(after: Bool)
  }

  func error(_ operation: String, _ path: String, _ code: Int32) -> FileError {
    FileError(operation: operation, path: path, errno: code, reason: String(cString: strerror(code)))
  }

  /// - Parameter changes: whether it counts as a place to crash at.
  func fate(
    _ operation: String, _ path: String, epoch: Int, rate: Double, code: Int32 = EIO, changes: Bool
  ) throws(FileError) -> Fate {
    guard epoch == self.epoch, !isDown else { throw error(operation, path, EIO) }
    if isPaused { return .goesOn }
    if isTracing { note("\(operation) \(path) \(live[path]?.cache.count ?? 0)") }
    if changes {
      operations += 1
      digest = digest.adding(operation).adding(path)
      if operations >= crashAt || crashProbe?(operations) == true {
        crashAt = .max
        let after = numbers.chance(0.5)
        isDown = true
        note("CRASH \(after ? "after" : "before") \(operation) \(path)")
        return .dies(after: after)
      }
    }
    if rate > 0, numbers.chance(rate) {
      faultCount += 1
      if code != EMFILE { graveFaultCount += 1 }
      note("FAULT \(code) in \(operation) \(path)")
      return .fails(code)
    }
    return .goesOn
  }

  private func note(_ text: String) {
    trace.append("\(operations) \(text)")
    if trace.count > 40_000 { trace.removeFirst(20_000) }
  }

  func noteFlip(_ path: String) {
    flipCount += 1
    note("FLIP in \(path)")
  }

  // MARK: Names

  func node(_ path: String) -> DiskNode? { live[path] }

  func names(in directory: String) -> [String] {
    live.keys.filter { $0.hasPrefix(directory + "/") }.map { String($0.dropFirst(directory.utf8.count + 1)) }
      .filter { !$0.contains("/") }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  func create(_ path: String, isDirectory: Bool) -> DiskNode {
    let node = DiskNode(number: takeNumber(), isDirectory: isDirectory)
    live[path] = node
    pending[Self.directory(of: path), default: []].append(.link(path, node))
    return node
  }

  func move(_ from: String, to: String) {
    guard let node = live.removeValue(forKey: from) else { return }
    live[to] = node
    pending[Self.directory(of: to), default: []].append(.move(from, to, node))
  }

  func unlink(_ path: String) {
    guard live.removeValue(forKey: path) != nil else { return }
    pending[Self.directory(of: path), default: []].append(.unlink(path))
  }

  func settle(directory path: String) {
    for change in pending.removeValue(forKey: path) ?? [] { settle(change) }
  }

  private func settle(_ change: Change) {
    switch change {
    case .link(let path, let node): durable[path] = node
    case .unlink(let path): durable[path] = nil
    case .move(let from, let to, let node):
      if durable[from] === node { durable[from] = nil }
      durable[to] = node
    }
  }
}
