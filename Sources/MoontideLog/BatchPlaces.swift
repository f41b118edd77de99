import Synchronization

/// Where the batches begin whose records were read by key last: the header of a batch lies far from most of
/// its records, and a batch of an ingest holds records of many keys. Any thread.
final class BatchPlaces: Sendable {
  struct Place {
    var position: UInt64
    var recorded: Int64
  }

  /// 32 bytes each: enough for a few million events of an ingest.
  private static let slots = 4096
  private let entries = Mutex<[(address: UInt64, place: Place)]>([])

  /// Of the batch whose header lies there; a header never changes.
  subscript(_ address: LogAddress) -> Place? {
    get {
      entries.withLock { entries in
        guard !entries.isEmpty else { return nil }
        let entry = entries[Self.slot(address)]
        return entry.address == address.value ? entry.place : nil
      }
    }
    set {
      guard let newValue else { return }
      entries.withLock { entries in
        if entries.isEmpty {
          // No header lies at the first byte of a log.
          entries = Array(repeating: (0, Place(position: 0, recorded: 0)), count: Self.slots)
        }
        entries[Self.slot(address)] = (address.value, newValue)
      }
    }
  }

  private static func slot(_ address: LogAddress) -> Int {
    Int(truncatingIfNeeded: (address.value &* 0x9e37_79b9_7f4a_7c15) >> 52)
  }
}
