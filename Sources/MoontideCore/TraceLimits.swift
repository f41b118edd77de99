extension Limits {
  /// Records a batch of a fold that is looked at: what its events did to rows is held until they are committed.
  public static let tracedBatchRecords = 512
  /// How long a question waits for another one to look for leftover files: that takes milliseconds.
  public static let traceGatePatience = Duration.seconds(5)
}
