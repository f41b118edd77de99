/// Bounds of `projection diff`.
extension Limits {
  /// Values of differing rows whose first event is searched: 24 bytes each, and some 80 for each of their
  /// rows, are held in memory. Rows beyond it are counted and compared, and the report says so.
  public static let diffTracedCellsMax = 1_000_000
  /// Records that each version goes through before the two are compared event by event: what happened to
  /// traced rows meanwhile is held, and each stretch begins with a Lua state of its own, which takes a
  /// millisecond.
  public static let diffTraceStretch: UInt64 = 4_096
  /// Samples of one kind of difference in one table that may be asked for: each is held until all is known.
  public static let diffSamplesMax = 10_000
  /// Samples that are shown when nobody says how many: a screen has room for a few tables.
  public static let diffSamplesDefault = 5
  /// How long one view of one version may take to be read: a view is a query of the author's.
  public static let diffViewTime = Duration.seconds(30)
  /// Rows compared between two looks at whether somebody wants it to end.
  public static let diffRowsPerLook: UInt64 = 10_000
  /// Bytes of one value, as text, that a sample shows.
  public static let diffValueBytesMax = 4 << 10
  /// How often both versions are folded anew because one of them halts: each time ends earlier.
  public static let diffFoldsMax = 4
  /// How long a comparison waits for another that takes or removes its files: that is done in milliseconds.
  public static let scratchPatience = Duration.seconds(10)
}
