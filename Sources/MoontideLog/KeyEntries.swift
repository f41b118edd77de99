import MoontideCore

/// The entries of one key's records, oldest first, where they lie: what is long is neither read nor copied
/// before somebody asks for a part of it.
struct KeyEntries {
  private enum Part {
    case listed([LogAddress])
    /// Entries of a run by their numbers.
    case run(SortedRun, Range<Int>)

    var count: Int {
      switch self {
      case .listed(let addresses): addresses.count
      case .run(_, let numbers): numbers.count
      }
    }
  }

  private let key: IndexHash
  private let log: LogIdentity
  private var parts: [Part] = []
  private var scratch: [UInt8] = []
  /// How many there are in all parts so far.
  private(set) var count = 0

  init(_ key: IndexHash, log: LogIdentity) {
    self.key = key
    self.log = log
  }

  /// Adds those of a run. Runs, sealed tables and the newest table are added in the order of the log: each
  /// holds what was written after the one before, as runs are merged with their neighbours alone.
  mutating func add(_ run: SortedRun) throws(LogError) {
    guard run.filter.mayHold(key.value) else { return }
    if run.isLong(key) {
      add(.run(run, try run.range(of: key, log: log, scratch: &scratch)))
    } else {
      var found: [LogAddress] = []
      try run.find(key, log: log, scratch: &scratch, into: &found)
      add(.listed(found))
    }
  }

  /// Adds some that are newer than all before.
  mutating func add(_ addresses: [LogAddress]) { add(.listed(addresses)) }

  private mutating func add(_ part: Part) {
    guard part.count > 0 else { return }
    parts.append(part)
    count += part.count
  }

  /// The addresses of the entries from the one at index `first` on, at most `limit` of them.
  mutating func addresses(from first: Int, limit: Int) throws(LogError) -> [LogAddress] {
    var found: [LogAddress] = []
    var start = 0
    for part in parts {
      defer { start += part.count }
      let low = max(first, start)
      let high = min(start + part.count, first + limit)
      guard low < high else { continue }
      switch part {
      case .listed(let addresses):
        found.append(contentsOf: addresses[low - start..<high - start])
      case .run(let run, let numbers):
        let base = numbers.lowerBound - start
        try run.addresses(low + base..<high + base, log: log, scratch: &scratch, into: &found)
      }
    }
    return found
  }
}
