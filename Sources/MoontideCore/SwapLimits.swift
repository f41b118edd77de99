/// Bounds of rebuilding read models beside those in use.
extension Limits {
  /// A rebuilt read model has caught up when no more records than this are before it: what it then still has
  /// to do is over in a moment, in which the one in use stands still.
  public static let swapLagMax: UInt64 = 5_000
  /// How long a swap waits for readers that are just opening the file, before it lets others pass: they wait
  /// as long, and their longest wait is to stay below 50 ms.
  public static let swapPatience = Duration.milliseconds(20)
  /// How often it tries. A reader opens a file in about a millisecond; one that takes longer than all of
  /// this was stopped in the middle of it, and is told by a look at the file that it has to open it again.
  public static let swapTriesMax = 200
  /// How long a reader waits for a swap, which takes three renames; then its process was stopped.
  public static let swapReaderPatience = Duration.seconds(2)
  /// How often a reader opens a file anew that was swapped while it opened it.
  public static let movedFileTriesMax = 8
  /// How often the read models of a project are listed for one statement, while one of them is renamed,
  /// swapped or put away: a try takes a few milliseconds, and edits of scripts are seconds apart.
  public static let listingTriesMax = 20
  /// What a rebuild leaves free on the disk, so that events, handlers and read models in use find room while
  /// it goes on: more than one of its batches writes before it looks again.
  public static let rebuildReserveMax: UInt64 = 64 << 20
  /// On a small disk: one part of so many of the whole.
  public static let rebuildReserveShare: UInt64 = 50
  /// A store that is opened, and one batch of events, take about this.
  public static let rebuildReserveMin: UInt64 = 256 << 10
  /// How long a rebuild waits for the version that serves to open its file: that may meet a full disk, and
  /// then it is not what is to be waited for.
  public static let openingPatience = Duration.seconds(10)
  /// How often a closed read model is asked to take over the rest of its write-ahead log before its place is
  /// taken: while a reader holds on to an older state, that rest is kept beside it instead.
  public static let leavingCheckpointsMax = 20
  /// Read models that one run folds beside those in use at once: each has three threads at work and some
  /// 30 MiB in memory, and more of them would end no sooner. The others wait.
  public static let rebuildsAtOnce = 4
  /// Dead letters of a rebuilt read model that are looked at one by one, to leave those out to which the one
  /// in use has not come; some hundred bytes each.
  public static let comparedLettersMax = 10_000
  /// How often one that waits for its turn asks.
  public static let rebuildTurnPause = Duration.milliseconds(50)
  /// One read of a rebuild: two such batches are in memory, one being handled, one being read, and they fit
  /// into the caches of the processor.
  public static let rebuildRecords = 16_000
  /// What an event has in a batch whose number of records is given: more than most, so that the number
  /// decides.
  public static let readRecordBytes = 640
  /// Pages in the write-ahead log of a file that nobody reads yet: 200 MiB. Each page is copied once at the
  /// end.
  public static let rebuildCheckpointPages = 50_000
}
