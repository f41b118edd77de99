/// Bounds of questions about the past.
extension Limits {
  /// Positions that one stretch of the outline stands for: some 22 bytes a type for 350 KB of log. Larger
  /// ones would be read in vain more often, for one late event.
  public static let outlineStretch: UInt64 = 1_024
  /// Bytes of the outline's file: of 10,000 million records with 16 types a stretch.
  public static let outlineBytesMax = 4 << 30
  /// Types that the outline tells apart; a project has some hundred. Past this a type is somebody's data.
  public static let outlineTypesMax = 4_096
  /// Types that are counted by reading where they are too many for the outline: some 200 MB of memory.
  public static let countedTypesMax = 1_000_000
  /// Sources that the outline keeps: an identity that is asked for without one is looked up once for each.
  public static let outlineSourcesMax = 256
  /// Types that the outline compares before it hashes: more would cost more than the hash.
  public static let recentTextsMax = 8
  /// The outline is written down again when it has grown by so many positions: reading those takes some 20
  /// milliseconds.
  public static let outlineUnsavedMax: UInt64 = 1 << 17
  /// Marks that are kept of one read model, and as many again that left out a few events of a wrong year: a
  /// question about a random time folds 1/24 of the log at the mean.
  public static let foldMarksMax = 12
  /// Records between two marks at least: fewer are folded in a hundredth of a second, large ones in a tenth.
  public static let foldMarkInterval: UInt64 = 2_000
  /// Answers that are kept of one read model, beside its marks: somebody compares a few moments, again and
  /// again.
  public static let foldAnswersMax = 4
  /// Bytes of all that is kept of one read model: twice as many as the log has, and at least this. Twelve
  /// marks of a growing read model are six times as large as it is in the end; where this is less they lie
  /// farther apart, and questions take longer.
  public static let foldBytesFloor: UInt64 = 1 << 30
  /// A fold that left out one event in so many is too special to be of use for other moments.
  public static let foldLeftOutShare: UInt64 = 100
  /// The note beside a kept fold: fifteen lines.
  public static let foldNoteBytesMax = 4 << 10
  /// How often a question is tried whose fold another process removes before it is opened.
  public static let foldTriesMax = 3
  /// A fold that was made or used so recently may be about to be opened by its process.
  public static let foldOpeningTime = Duration.seconds(1)
  /// What a killed process left is removed when it is so old: a living one may be between two steps.
  public static let leftoverAge = Duration.seconds(60)
}
