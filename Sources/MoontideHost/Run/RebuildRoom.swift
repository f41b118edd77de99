import MoontideCore
import MoontideRuntime

/// Sees to it that a read model which is folded beside leaves room on the disk to all that is live: a rebuild
/// can be done again at any time, an event that cannot be appended is refused. Owned by the rebuild's thread.
struct RebuildRoom {
  private let keeper: StoreKeeper
  private let name: String
  /// What must be free before it is begun again; nil while it is not waiting for that.
  private var needed: UInt64?

  init(_ keeper: StoreKeeper, _ name: String) {
    self.keeper = keeper
    self.name = name
  }

  /// Whether it gave way and has not been begun again.
  var isWaiting: Bool { needed != nil }

  /// Whether so little is left that what is live may soon find nothing.
  func isShort() throws(Diagnostic) -> Bool {
    guard let room = try room() else { return false }
    return room.free < RebuildRoom.reserve(room)
  }

  /// Takes the file beside away.
  /// - Parameter close: has its owner close it. That comes last: SQLite copies the write-ahead log of a file
  ///   that has its name into it.
  /// - Returns: what a person should know.
  mutating func giveWay(_ close: () -> Void) throws(Diagnostic) -> Diagnostic {
    let beside = keeper.paths.rebuilding(name)
    let files = keeper.files
    let bytes = try FileError.told { () throws(FileError) in
      var bytes: UInt64 = 0
      for ending in ["", "-wal"] { bytes += try files.status(beside + ending)?.bytes ?? 0 }
      return bytes
    }
    try keeper.discardBeside(name)
    close()
    let room = try room() ?? FileRoom(free: 0, total: 0)
    // All that was free and its own was too little for it; and it is not to come to that again at once.
    let needed = bytes + bytes / 4 + 2 * RebuildRoom.reserve(room)
    self.needed = needed
    var told = Diagnostic(
      passing: "no room on the disk to rebuild the read model of projection \(name) beside the one in use",
      help: "free some space: df -h")
    told.severity = .warning
    told.details.append(
      .init(
        "state",
        "it gave way to what is live; it begins again when \(RebuildRoom.megabytes(needed)) are free, and "
          + "\(RebuildRoom.megabytes(room.free)) are"))
    return told
  }

  /// Whether there is enough by now to begin again; then it is not waiting any more.
  mutating func hasEnough() throws(Diagnostic) -> Bool {
    if let needed, let room = try room(), room.free < needed { return false }
    needed = nil
    return true
  }

  /// Nil where that cannot be told.
  private func room() throws(Diagnostic) -> FileRoom? {
    guard keeper.vfs == nil else { return nil }
    return try FileError.told { () throws(FileError) in try keeper.files.room(keeper.paths.readModels) }
  }

  private static func reserve(_ room: FileRoom) -> UInt64 {
    min(Limits.rebuildReserveMax, max(Limits.rebuildReserveMin, room.total / Limits.rebuildReserveShare))
  }

  private static func megabytes(_ bytes: UInt64) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
}
