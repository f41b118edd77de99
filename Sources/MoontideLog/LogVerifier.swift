public import MoontideCore

/// Reads every byte of a log's segments and says what is wrong with them: checksums, the order of batches,
/// dense positions and offsets, recorded times, durable ends, and that no identity stands twice. It goes
/// on behind damage. It reads files only, opens nothing for writing, and may run beside a process that
/// appends: then it judges what was there when it began. Takes 16 bytes of memory for each record.
public struct LogVerifier: Sendable {
  /// One thing that is wrong, and where.
  public struct Problem: Sendable, Hashable, Codable {
    public var file: String
    /// From 0; of the header, the record or the field that is wrong.
    public var byteOffset: UInt64
    public var reason: String
    public init(file: String, byteOffset: UInt64, reason: String) {
      self.file = file
      self.byteOffset = byteOffset
      self.reason = reason
    }
  }

  /// Positions that have no record because a repair gave them up; empty where only empty batches were lost.
  public struct Gap: Sendable, Hashable {
    public var from: Position
    /// Exclusive.
    public var to: Position
    public init(from: Position, to: Position) {
      self.from = from
      self.to = to
    }
  }

  /// What was found.
  public struct Report: Sendable, Hashable {
    public var segments = 0
    /// Sound batches, their records, and all bytes that were read.
    public var batches: UInt64 = 0
    public var records: UInt64 = 0
    public var bytes: UInt64 = 0
    /// In the order of the log; at most `Limits.verifyProblemsMax`, `problemCount` counts all.
    public var problems: [Problem] = []
    public var problemCount = 0
    /// Bytes at the end that are no batch and that nothing says were durable: opening the log drops them.
    public var tornTailBytes: UInt64 = 0
    /// Where they begin: the file, and the byte in it; nil without a torn tail.
    public var tornTail: Problem?
    /// Where the sound batches end, and the last durable end that anything recorded: what lies before it was
    /// acknowledged.
    public var end = Position.start
    public var durableEnd = Position.start
    /// What repairs have given up, in order: the log says so itself, which is no problem.
    public var gaps: [Gap] = []
    public var isSound: Bool { problemCount == 0 }

    public init() {}

    mutating func add(_ file: LogFile, _ byteOffset: UInt64, _ reason: String) {
      problemCount += 1
      guard problems.count < Limits.verifyProblemsMax else { return }
      problems.append(Problem(file: file.path, byteOffset: byteOffset, reason: reason))
    }
  }

  private let root: LogDirectory

  /// - Parameter directory: the one that the log was opened in.
  public init(directory: String, files: any FileSystem) {
    root = LogDirectory(files: files, path: directory)
  }

  /// - Parameter progress: called now and then with the bytes done and all bytes, on this thread.
  /// - Throws: `file` when a file cannot be read; damage is reported, not thrown.
  public func verify(progress: (_ done: UInt64, _ of: UInt64) -> Void = { _, _ in }) throws(LogError)
    -> Report
  {
    let directory = LogDirectory(files: root.files, path: root.path + "/segments")
    var report = Report()
    var segments: [Found] = []
    let names = try directory.list().filter { $0.hasSuffix(".log") }
    for name in names {
      let file = try directory.open(name, .read)
      let size = try file.size()
      do {
        segments.append(Found(file: file, size: size, header: try SegmentHeader.read(file)))
      } catch {
        guard case .damaged(_, let byte, let reason) = error else { throw error }
        // A last segment that was begun and never used: opening the log removes it.
        if segments.count + 1 == names.count, size <= UInt64(SegmentHeader.bytes), !segments.isEmpty {
          report.tornTailBytes += size
          report.tornTail = Problem(file: file.path, byteOffset: 0, reason: "a segment that was never used")
          continue
        }
        report.add(file, byte, reason)
        segments.append(Found(file: file, size: size, header: nil))
      }
    }
    report.segments = segments.count
    let total = segments.reduce(0) { $0 + $1.size }
    // A segment without its own header is read with the identity of the others.
    guard let log = segments.lazy.compactMap(\.header).first?.log else { return report }
    let identity = LogIdentity(log)
    let witness = try LogCheckpoint.read(in: root, log: identity).map(LogWitness.init)
    var walk = VerifyWalk(log: identity, witness: witness)
    for (number, segment) in segments.enumerated() {
      try walk.walk(segment, number, isLast: number == segments.count - 1, &report) { progress($0, total) }
    }
    if let last = segments.last { walk.end(last.file, &report) }
    try walk.findDoubles(&report)
    progress(total, total)
    return report
  }

  /// A segment's file, its size when the verification began, and its header if that is sound.
  struct Found {
    var file: LogFile
    var size: UInt64
    var header: SegmentHeader?
  }
}
