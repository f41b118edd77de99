/// How often a disk fails, each a share of the operations of its kind, 0 to 1.
public struct DiskFaults: Sendable {
  public var write = 0.0
  public var sync = 0.0
  public var read = 0.0
  /// EMFILE.
  public var open = 0.0
  /// One bit of what is read of the log's files is another.
  public var flip = 0.0
  /// Of listing, creating, renaming, removing, and syncing directories.
  public var names = 0.0

  public static let none = DiskFaults()

  public init() {}

  /// Some kinds, rare ones.
  public static func drawn(_ numbers: SeededNumbers) -> DiskFaults {
    var faults = DiskFaults()
    func rate(_ most: Double) -> Double {
      numbers.chance(0.35) ? most * Double(1 + numbers.below(10)) / 10 : 0
    }
    faults.write = rate(0.01)
    faults.sync = rate(0.02)
    faults.read = rate(0.003)
    faults.open = rate(0.02)
    // In some runs descriptors are short most of the time; only those who wait come through that.
    if faults.open > 0.016 { faults.open *= 10 }
    faults.flip = rate(0.004)
    faults.names = rate(0.01)
    return faults
  }
}
