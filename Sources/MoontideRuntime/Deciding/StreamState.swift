public import MoontideCore

/// What a decider knows of one stream: the fold of its events so far.
public struct StreamState: Sendable, Hashable {
  /// How many events it is the fold of.
  public var version: Int
  /// Encoded as `StateCodec` reads it; nil before the first call of the script.
  public var value: [UInt8]?
  /// The last of its events.
  public var position: Position?
  /// The version that the newest snapshot holds; 0 without one.
  var snapshotVersion: Int

  public static let new = StreamState(version: 0, value: nil, position: nil, snapshotVersion: 0)

  init(version: Int, value: [UInt8]?, position: Position?, snapshotVersion: Int) {
    self.version = version
    self.value = value
    self.position = position
    self.snapshotVersion = snapshotVersion
  }
}

/// The states of the streams that were asked for last, so that the next command of a stream folds nothing.
/// Owned by one thread.
struct StreamCache {
  private var entries: [[UInt8]: (state: StreamState, used: UInt64)] = [:]
  private var bytes = 0
  private var uses: UInt64 = 0

  subscript(_ key: [UInt8]) -> StreamState? {
    mutating get {
      guard let index = entries.index(forKey: key) else { return nil }
      uses += 1
      entries.values[index].used = uses
      return entries.values[index].state
    }
    set {
      if let old = entries.removeValue(forKey: key) { bytes -= Self.cost(key, old.state) }
      guard let state = newValue else { return }
      uses += 1
      entries[key] = (state, uses)
      bytes += Self.cost(key, state)
      if bytes > Limits.streamCacheBytesMax { shrink() }
    }
  }

  mutating func removeAll() {
    entries.removeAll()
    bytes = 0
  }

  /// Drops the half that was not used for the longest time.
  private mutating func shrink() {
    let median = entries.values.map(\.used).sorted()[entries.count / 2]
    entries = entries.filter { $0.value.used >= median }
    bytes = entries.reduce(0) { $0 + Self.cost($1.key, $1.value.state) }
  }

  private static func cost(_ key: [UInt8], _ state: StreamState) -> Int {
    key.count + (state.value?.count ?? 0) + 160
  }
}
