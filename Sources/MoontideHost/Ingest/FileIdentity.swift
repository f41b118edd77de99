import MoontideCore

/// How a source file is known to the log, so that progress survives growth, restart and rename without any
/// bookkeeping beside the log.
///
/// The producer of a batch that ends at the byte `end` (of the unpacked file) is
///
///     file:<inode>:<n>:<digest of the first n bytes>[:<generation>]      n = min(4096, end)
///
/// so below 4 KiB each batch has a producer of its own, which stands for exactly the bytes that were taken,
/// and from 4 KiB on all batches share one. A file is found again by trying the ends of its lines within the
/// first 4 KiB, the furthest first: the longest known prefix is what was taken before.
///
/// - Growth and rename change neither the inode nor the prefix.
/// - A file that was replaced or rewritten has another inode or no known prefix: it is a new producer, read
///   from its beginning; lines that it shares with the old one are repeats.
/// - A file that is shorter than what was taken of it, under the same first 4 KiB, was truncated and written
///   anew: the next generation. It cannot be told from the old one once it has outgrown it.
enum FileIdentity {
  /// What the log knows of a file.
  struct Known: Hashable {
    /// The next byte to take.
    var offset: UInt64
    var generation: Int
  }

  /// - Parameter head: the first bytes of the file; at least `min(4096, end)` of them.
  static func producer(inode: UInt64, head: [UInt8], end: UInt64, generation: Int) -> ProducerID {
    let count = Int(min(UInt64(Limits.sourceHeadBytes), end))
    precondition(head.count >= count, "\(head.count) bytes of the head are known, not \(count)")
    let digest = Digest.zero.adding(head, ByteRange(start: 0, count: count))
    let suffix = generation > 1 ? ":\(generation)" : ""
    return ProducerID("file:\(inode):\(count):\(digest)\(suffix)")
  }

  /// Where reading goes on.
  /// - Parameters:
  ///   - head: all of the first 4 KiB that is there.
  ///   - size: of the unpacked file; nil when it is not known yet.
  static func find(inode: UInt64, head: [UInt8], size: UInt64?, in log: any EventLog) -> Known {
    let whole = UInt64(Limits.sourceHeadBytes)
    if head.count == Limits.sourceHeadBytes {
      var generation = 1
      var last: UInt64?
      while let end = log.sequenceEnd(
        of: producer(inode: inode, head: head, end: whole, generation: generation))
      {
        last = end
        generation += 1
      }
      if let last {
        if let size, last > size { return Known(offset: 0, generation: generation) }
        return Known(offset: last, generation: generation - 1)
      }
    }
    for end in stride(from: head.count, to: 0, by: -1)
    where end < Limits.sourceHeadBytes && (head[end - 1] == 0x0A || end == head.count) {
      let known = log.sequenceEnd(of: producer(inode: inode, head: head, end: UInt64(end), generation: 1))
      if known == UInt64(end) { return Known(offset: UInt64(end), generation: 1) }
    }
    return Known(offset: 0, generation: 1)
  }
}
