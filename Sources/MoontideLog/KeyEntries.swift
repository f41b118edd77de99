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

  /// Adds those of a run.
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

  /// Adds some that are in the order of the log.
  mutating func add(_ addresses: [LogAddress]) { add(.listed(addresses)) }

  private mutating func add(_ part: Part) {
    guard part.count > 0 else { return }
    parts.append(part)
    count += part.count
  }

  /// The addresses of the entries from the one at index `first` on, at most `limit` of them.
  mutating func addresses(from first: Int, limit: Int) throws(LogError) -> [LogAddress] {
    try arrange()
    var found: [LogAddress] = []
    var start = 0
    for part in parts {
      defer { start += part.count }
      let low = max(first, start)
      let high = min(start + part.count, first + limit)
      guard low < high else { continue }
      found += try entries(low - start..<high - start, of: part)
    }
    return found
  }

  private mutating func entries(_ range: Range<Int>, of part: Part) throws(LogError) -> [LogAddress] {
    switch part {
    case .listed(let addresses): return Array(addresses[range])
    case .run(let run, let numbers):
      var found: [LogAddress] = []
      let base = numbers.lowerBound
      try run.addresses(
        base + range.lowerBound..<base + range.upperBound, log: log, scratch: &scratch, into: &found)
      return found
    }
  }

  /// Each part is in the order of the log, and mostly the parts are too, one behind the other. After a
  /// recovery one may reach into another: then all entries are put in order.
  private mutating func arrange() throws(LogError) {
    var last: LogAddress?
    for part in parts where parts.count > 1 {
      let (begin, end) = (
        try entries(0..<1, of: part)[0], try entries(part.count - 1..<part.count, of: part)[0]
      )
      if let last, begin < last { return try sortAll() }
      last = end
    }
  }

  private mutating func sortAll() throws(LogError) {
    var all: [LogAddress] = []
    for part in parts { all += try entries(0..<part.count, of: part) }
    all.sort()
    parts = [.listed(all)]
  }
}
