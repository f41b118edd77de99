public import MoontideCore

/// Mends a damaged log on request: keeps every record that is sound, puts single flipped bits right, and
/// records what is lost as a gap in the log, so that no position or offset is ever used again (decision
/// 0012). The caller holds the project. Not for a log that another process has open.
public struct LogRepair: Sendable {
  /// A record that is given up, as far as it can be read. Texts are empty where they cannot.
  public struct LostRecord: Sendable, Hashable {
    public var position: Position
    public var id: String
    public var type: String
    public var key: String
  }

  /// One place where bytes are given up.
  public struct Loss: Sendable, Hashable {
    /// The segment, and the bytes of it that no longer count; empty where bytes are missing.
    public var file: String
    public var bytes: Range<UInt64>
    /// Positions without a record from now on, exclusive end; empty when no event was lost.
    public var positions: Range<Position>
    public var reason: String
    /// Lost records of these positions that can still be read.
    public var known: [LostRecord]
  }

  /// A flipped bit that was put right; nothing is lost by it.
  public struct Correction: Sendable, Hashable {
    public var file: String
    /// From 0.
    public var byteOffset: UInt64
  }

  /// What a producer wrote that is lost, as the numbers of its later batches tell; for a file: bytes of it.
  public struct LostSequence: Sendable, Hashable {
    public var producer: ProducerID
    public var sequence: Range<UInt64>
  }

  /// What would be done. Nothing is changed by making it.
  public struct Plan: Sendable {
    /// At most `Limits.repairPlacesMax` of each; counted in full by `lossCount` and `correctionCount`.
    public internal(set) var losses: [Loss] = []
    public internal(set) var lossCount = 0
    public internal(set) var corrections: [Correction] = []
    public internal(set) var correctionCount = 0
    public internal(set) var lostSequences: [LostSequence] = []
    /// Positions that are given up, and the first of them; nil when there are none.
    public internal(set) var lostPositions: UInt64 = 0
    public internal(set) var firstLost: Position?
    /// Sound records that stay.
    public internal(set) var records: UInt64 = 0
    /// A torn tail, which is no damage: the next opening drops it.
    public internal(set) var tornTailBytes: UInt64 = 0
    /// Where the log ends afterwards.
    public internal(set) var end = Position.start
    /// Segments that are written anew, by path.
    public var rewritten: [String] { segments.filter(\.isChanged).map(\.path) }
    /// False when the log is sound.
    public var isNeeded: Bool { segments.contains(where: \.isChanged) }
    var segments: [RepairedSegment] = []
    var gaps: [LogGap] = []
    var state = LogPoint()
  }

  private let root: LogDirectory
  private let directory: LogDirectory
  private let log: LogIdentity
  private let checkpoint: LogCheckpoint?

  /// Looks which log is in `directory`.
  /// - Throws: `damaged` when neither a segment nor the checkpoint says it any more.
  public init(directory path: String, files: any FileSystem) throws(LogError) {
    root = LogDirectory(files: files, path: path)
    directory = LogDirectory(files: files, path: path + "/segments")
    log = try RepairSource.identity(root, directory)
    checkpoint = try LogCheckpoint.read(in: root, log: log)
  }

  /// The mark of the log, as `SegmentedLog` has it.
  public var mark: Int32 { log.mark }

  /// Reads every byte and says what would be done.
  /// - Parameters:
  ///   - floor: no position below it is used again, even if the log ends before it: where handlers have come
  /// to.
  ///   - topics: names and partitions of topics whose declarations are lost, by id; partitions 0 is the
  /// default.
  /// - Throws: `damaged` for what cannot be mended, `unsupportedFormat`, `file`.
  public func plan(
    floor: Position, topics: [TopicID: (name: TopicName, partitions: UInt16)] = [:],
    progress: (_ done: UInt64, _ of: UInt64) -> Void = { _, _ in }
  ) throws(LogError) -> Plan {
    let sources = try RepairSource.all(directory, log)
    var walk = RepairWalk(log: log, checkpoint: checkpoint, named: topics, floor: floor.value)
    let total = sources.reduce(0) { $0 + $1.size }
    var done: UInt64 = 0
    for (number, source) in sources.enumerated() {
      let next = number + 1 < sources.count ? sources[number + 1] : nil
      try walk.walk(source, next: next)
      done += source.size
      progress(done, total)
    }
    return try walk.finish(directory: directory.path)
  }

  /// Carries a plan out: copies what is replaced to the folder `aside`, which must be there, writes the
  /// segments anew beside, and swaps them in. After a crash in between, another repair does the rest.
  public func carryOut(_ plan: Plan, aside: String) throws(LogError) {
    guard plan.isNeeded else { return }
    let keep = LogDirectory(files: root.files, path: aside)
    let changed = plan.segments.filter(\.isChanged)
    for segment in changed where !segment.isNew {
      try RepairSource.copy(try directory.open(segment.name, .read), to: keep, as: segment.name)
    }
    if try root.status(LogCheckpoint.fileName) != nil {
      try RepairSource.copy(
        try root.open(LogCheckpoint.fileName, .read), to: keep, as: LogCheckpoint.fileName)
    }
    try keep.sync()
    for name in try directory.list() where name.hasSuffix(RepairedSegment.ending) {
      try directory.remove(name)
    }
    for segment in changed { try segment.write(in: directory, plan.gaps, log) }
    // It fits no index, so that they are built anew, and it says up to where the log was durable.
    var witness = plan.state
    (witness.segment, witness.offset) = (0, UInt64(SegmentHeader.bytes))
    (witness.lastBatch, witness.lastChecksum) = (0, 0)
    try LogCheckpoint(
      point: witness, marks: [], offsetMarks: [:], identityRuns: [], keyRuns: [],
      nextFile: checkpoint?.nextFile ?? 0
    ).write(in: root, log: log)
    for segment in changed { try directory.rename(segment.name + RepairedSegment.ending, to: segment.name) }
    try directory.sync()
  }
}
