extension Limits {
  /// Records a batch of a fold that is looked at: what its events did to rows is held until they are
  /// committed.
  public static let tracedBatchRecords = 512
  /// How long a question waits for another one to look for leftover files: that takes milliseconds.
  public static let traceGatePatience = Duration.seconds(5)
  /// Writes of one row that `why` names, the last ones: half a kilobyte each. A total that every event adds
  /// to has as many as there are events.
  public static let whyWritesMax = 50_000
  /// Of these a person is shown so many, half of them from the beginning; -v shows all.
  public static let whyWritesShown = 40
  /// Events that wrote what was read for it that a person is shown; -v shows all.
  public static let whyNeededShown = 10
  /// Changes of keys in one table that are remembered to follow a row to the key that it had before.
  public static let whyRenamesMax = 100_000
  /// Characters of one value in a line for people.
  public static let tracedValueCharactersMax = 200
}

extension Limits {
  /// What one event caused, of all kinds, that `impact` finds: some hundred bytes each.
  public static let impactNodesMax = 100_000
  /// How deep and how wide the tree is drawn for people unless they say otherwise.
  public static let impactDepthShown = 32
  public static let impactWidthShown = 12
  /// Instances of one saga that are looked at for one chain of events.
  public static let impactInstancesMax = 1_000
  /// How far before the firing of a timer, or an outcome, what it made is looked for: they are handed on
  /// together.
  public static let impactRecordsBefore: UInt64 = 20_000
  /// Firings of timers that wait for a consequence which tells whose they are.
  public static let impactFiringsMax = 100_000
}
