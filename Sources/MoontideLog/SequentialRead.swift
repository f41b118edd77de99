import MoontideCore

/// One read of consecutive records: a few large reads into the caller's buffer, decoded where they land.
struct SequentialRead {
  private let catalog: LogCatalog
  private let log: LogIdentity
  /// The first position that is wanted, and the first that is not durable.
  private let start: UInt64
  private let end: UInt64
  private var segment: Segment
  /// The next byte to look at in the segment.
  private var offset: UInt64
  /// The batch around it, when it is in the middle of one.
  private var header: BatchHeader?
  private var batchOffset: UInt64
  /// The next record: of the batch, or of the log between batches.
  private var position: UInt64

  /// Nil when there is nothing durable at or after `start`.
  init?(from start: UInt64, before end: UInt64, catalog: LogCatalog, log: LogIdentity) {
    guard start < end else { return nil }
    self.catalog = catalog
    self.log = log
    self.start = start
    self.end = end
    if let stop = catalog.stop(at: start), let segment = catalog.segment(stop.address.segment) {
      self.segment = segment
      offset = stop.address.offset
      header = stop.header
      batchOffset = stop.batchOffset
      position = start
    } else if let mark = catalog.mark(before: start), let segment = catalog.segment(mark.address.segment) {
      self.segment = segment
      offset = mark.address.offset
      header = nil
      batchOffset = 0
      position = mark.position
    } else {
      return nil
    }
  }

  /// Fills `batch` and returns the position to go on from.
  mutating func run(records: Int, bytes: Int, into batch: RecordBatch) throws(LogError) -> UInt64 {
    precondition(records > 0, "a read asks for at least one record, not \(records)")
    // What a mean record takes; too little is read again, too much only once.
    let guess = 4096 + records * 1024
    var fill = 0
    var need = 0
    while batch.records.count < records, position < end {
      let available = Int(segment.writtenEnd - min(offset, segment.writtenEnd))
      if available == 0 {
        guard header == nil, let next = catalog.segment(segment.number + 1) else { break }
        segment = next
        offset = UInt64(SegmentHeader.bytes)
        need = 0
        continue
      }
      if fill >= bytes, !batch.records.isEmpty { break }
      let want = min(available, max(need, min(max(bytes - fill, 4096), guess)))
      guard want >= need else {
        throw segment.file.damaged(at: offset, "\(need) bytes are needed where \(available) are left")
      }
      batch.bytes.grow(to: fill + want + Limits.parserPaddingBytes)
      try segment.file.readAll(at: offset, count: want, into: &batch.bytes, at: fill)
      let parsed = try parse(batch, from: fill, to: fill + want, records: records)
      need = parsed.need
      offset += UInt64(parsed.consumed)
      // What was only skipped is overwritten.
      fill = batch.records.isEmpty ? 0 : fill + min(parsed.consumed, want)
      if need > 0, fill + need > max(bytes, 4096), !batch.records.isEmpty { break }
    }
    batch.bytes.grow(to: fill + Limits.parserPaddingBytes)
    catalog.remember(
      .init(
        position: position, address: LogAddress(segment: segment.number, offset: offset),
        batchOffset: batchOffset, header: header))
    // A gap may reach beyond what is asked for.
    return min(position, end)
  }

  /// Decodes what is in the buffer: how many bytes were done with (maybe past its end: a batch skipped), and
  /// how many the next thing needs when it is not all there.
  private mutating func parse(_ batch: RecordBatch, from first: Int, to last: Int, records: Int)
    throws(LogError) -> (consumed: Int, need: Int)
  {
    let bytes = batch.bytes
    // Out of the object and back: it is grown record by record.
    var decoded = batch.records
    batch.records = []
    defer { batch.records = decoded }
    var at = first
    while at < last, decoded.count < records, position < end {
      guard let current = header else {
        guard at + BatchHeader.bytes <= last else { return (at - first, BatchHeader.bytes) }
        at += try enter(bytes, at: at, fileOffset: offset + UInt64(at - first))
        continue
      }
      let need = try parse(
        bytes, from: &at, to: last, shift: Int(offset) - first, of: current, into: &decoded,
        room: records - decoded.count)
      if need > 0 { return (at - first, need) }
    }
    return (at - first, 0)
  }

  /// Decodes records of one batch, `room` at most; returns how many bytes the next one needs when it is not
  /// all there, else 0. `shift` is what turns an index of the buffer into a byte offset of the file.
  private mutating func parse(
    _ bytes: [UInt8], from at: inout Int, to last: Int, shift: Int, of batch: BatchHeader,
    into decoded: inout [Record], room: Int
  ) throws(LogError) -> Int {
    let batchEnd = Int(batchOffset) + batch.totalBytes - shift
    let stop = min(batch.endPosition, end)
    let room = decoded.count + room
    var next = position
    defer { position = next }
    while next < stop, decoded.count < room {
      guard at + RecordLayout.headerBytes <= last else { return RecordLayout.headerBytes }
      let total = bytes.withUnsafeBytes { RecordLayout.totalBytes($0, at) }
      if at + total > batchEnd {
        throw segment.file.damaged(
          at: UInt64(at + shift), "a record of \(total) bytes does not fit in its batch")
      }
      guard at + total <= last else { return total }
      if next >= start {
        guard RecordLayout.isSound(bytes, at: at, total: total, log: log),
          let record = bytes.withUnsafeBytes({ RecordLayout.decode($0, at, next, batch.recorded) })
        else {
          throw segment.file.damaged(
            at: UInt64(at + shift), "the checksum of record \(Position(next)) does not match")
        }
        decoded.append(record)
      }
      at += total
      next += 1
    }
    if next == batch.endPosition { header = nil }
    return 0
  }

  /// Looks at the header of a batch and says how many bytes to go on: to its first record, or past it when
  /// none of its records is wanted.
  private mutating func enter(_ bytes: [UInt8], at: Int, fileOffset: UInt64) throws(LogError) -> Int {
    guard let next = BatchHeader.decode(bytes, at: at, log: log) else {
      throw segment.file.damaged(at: fileOffset, "the header of a batch is not sound")
    }
    guard next.basePosition == position else {
      throw segment.file.damaged(
        at: fileOffset,
        "a batch begins at \(Position(next.basePosition)) where \(Position(position)) is next")
    }
    if next.recordsHeld == 0 || next.endPosition <= start {
      position = next.endPosition
      return next.totalBytes
    }
    header = next
    batchOffset = fileOffset
    return next.recordsStart
  }
}
