import MoontideCore

/// What a written batch adds to the index and to the catalog; its buffers are used again.
struct BatchEntries {
  private(set) var identities: [IndexHash] = []
  private(set) var keys: [IndexHash] = []
  private(set) var addresses: [LogAddress] = []
  /// Records whose offset begins a stretch.
  private(set) var offsets: [(partition: UInt32, mark: LogCatalog.OffsetMark)] = []

  /// - Parameters:
  ///   - hashes: of the identities of all drafts.
  ///   - starts: of the placed records, from the first byte of the batch, which lies at `address`.
  ///   - base: position of the first one.
  mutating func fill(
    _ placed: [BatchEncoder.Placed], from batch: DraftBatch, _ hashes: [IndexHash], starts: [Int],
    base: UInt64,
    at address: LogAddress, log: LogIdentity, markInterval: UInt64
  ) {
    identities.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
    addresses.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    let drafts = batch.drafts
    let bytes = batch.bytes
    for (number, place) in placed.enumerated() {
      identities.append(hashes[place.draft])
      keys.append(log.hash(topic: place.topic, bytes, key: drafts[place.draft].envelope.key))
      addresses.append(LogAddress(address.value + UInt64(starts[number])))
      if place.offset % markInterval == 0 {
        let partition = UInt32(place.topic.value) << 16 | UInt32(place.partition)
        offsets.append((partition, .init(offset: place.offset, position: base + UInt64(number))))
      }
    }
  }
}
