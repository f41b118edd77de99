extension Limits {
  /// Records a batch of a fold that is looked at: what its events did to rows is held until they are committed.
  public static let tracedBatchRecords = 512
  /// How long a question waits for another one to look for leftover files: that takes milliseconds.
  public static let traceGatePatience = Duration.seconds(5)
  /// Writes of one row that `why` names, the last ones: half a kilobyte each. A total that every event adds to
  /// has as many as there are events.
  public static let whyWritesMax = 100_000
  /// Of these a person is shown so many, half of them from the beginning; -v shows all.
  public static let whyWritesShown = 40
  /// Changes of keys in one table that are remembered to follow a row to the key that it had before.
  public static let whyRenamesMax = 100_000
  /// Characters of one value in a line for people.
  public static let tracedValueCharactersMax = 200
}
