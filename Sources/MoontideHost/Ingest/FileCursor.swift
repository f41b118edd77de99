import MoontideCore

/// One file that is being read: where it stands, and as whom its lines are appended. Owned by one thread.
final class FileCursor {
  /// What is remembered of a file between two visits; it is left alone until its status changes.
  struct Track {
    /// Nil: to be looked at again however it is.
    var status: FileStatus?
    var offset: UInt64
    var headCount: Int
    var headDigest: Digest
    var generation: Int
    /// Lines before `offset`, if they are counted.
    var lines: UInt64?
    /// What the progress bar was told about this file.
    var fileBytes: UInt64
  }

  let file: SourceFile
  let reader: LineReader
  let lines: LineCounter
  private(set) var generation: Int
  /// Where the last batch ended.
  private(set) var taken: UInt64
  /// What the progress bar was told about this file.
  var fileBytesSeen: UInt64
  private let log: any EventLog

  /// Opens a file where reading it goes on.
  /// - Parameter track: what an earlier visit in this process left; used when the file still begins the
  ///   same.
  /// - Parameter isSettled: whether the log has everything that was read; without that it cannot be asked.
  /// - Returns: nil when the file was replaced and the log must be asked, but is not settled.
  init?(
    _ file: SourceFile, track: Track?, isSettled: Bool, files: any FileSystem, log: any EventLog
  ) throws(SourceFault) {
    let handle = try FileCursor.open(file, files)
    let head = try FileCursor.head(of: handle, isGzip: file.isGzip)
    self.file = file
    self.log = log
    fileBytesSeen = track?.fileBytes ?? 0
    var known: FileIdentity.Known
    var countedLines: UInt64?
    if let track, track.headCount <= head.count, file.isGzip || track.offset <= file.status.bytes,
      Digest.zero.adding(head, ByteRange(start: 0, count: track.headCount)) == track.headDigest
    {
      known = FileIdentity.Known(offset: track.offset, generation: track.generation)
      countedLines = track.lines
    } else if track != nil && !isSettled {
      return nil
    } else {
      known = FileIdentity.find(
        inode: file.status.inode, head: head, size: file.isGzip ? nil : file.status.bytes, in: log)
    }
    var source: any ByteSource
    if file.isGzip {
      let gzip = try GzipSource(handle)
      let skipped = try FileCursor.skip(known.offset, in: gzip)
      if let skipped {
        countedLines = skipped
        source = gzip
      } else {
        // It is shorter than what was taken: written anew.
        known = FileIdentity.Known(offset: 0, generation: known.generation + 1)
        source = try GzipSource(handle)
      }
    } else {
      source = PlainSource(handle, from: known.offset)
    }
    lines = LineCounter(files, path: file.path, offset: known.offset, known: countedLines)
    reader = LineReader(
      source, from: known.offset, head: Array(head.prefix(Int(min(known.offset, UInt64(head.count))))))
    generation = known.generation
    taken = known.offset
  }

  /// What to remember of this file.
  var track: Track {
    let count = Int(min(UInt64(Limits.sourceHeadBytes), taken))
    return Track(
      status: file.status, offset: taken, headCount: count,
      headDigest: Digest.zero.adding(reader.head, ByteRange(start: 0, count: count)), generation: generation,
      lines: lines.linesBeforeIfKnown.map { $0 + reader.lineCount }, fileBytes: fileBytesSeen)
  }

  /// The producer of a batch that ends at `end` and follows the one before; moves on to `end`.
  func producer(to end: UInt64) -> ProducerID {
    let whole = UInt64(Limits.sourceHeadBytes)
    func producer() -> ProducerID {
      FileIdentity.producer(inode: file.status.inode, head: reader.head, end: end, generation: generation)
    }
    if taken < whole && end >= whole {
      // The first batch under the identity that stays: an older file may have had it.
      while let known = log.sequenceEnd(of: producer()), known != taken { generation += 1 }
    }
    taken = end
    return producer()
  }

  /// The file, for reading.
  static func open(_ file: SourceFile, _ files: any FileSystem) throws(SourceFault) -> any File {
    do throws(FileError) { return try files.open(file.path, .read) } catch { throw .file(error) }
  }

  /// All of the first 4 KiB of the unpacked file that is there.
  private static func head(of file: any File, isGzip: Bool) throws(SourceFault) -> [UInt8] {
    let source: any ByteSource = isGzip ? try GzipSource(file) : PlainSource(file, from: 0)
    var head = [UInt8](repeating: 0, count: Limits.sourceHeadBytes)
    var count = 0
    while count < head.count {
      let read: Int
      do throws(SourceFault) {
        read = try source.read(count: head.count - count, into: &head, at: count)
      } catch .corrupt where count > 0 {
        // The reader will meet the damage in its place.
        break
      }
      if read == 0 { break }
      count += read
    }
    return Array(head.prefix(count))
  }

  /// Passes over `count` unpacked bytes and returns how many newlines were in them; nil when there are fewer
  /// bytes.
  private static func skip(_ count: UInt64, in source: GzipSource) throws(SourceFault) -> UInt64? {
    var bytes = [UInt8](repeating: 0, count: count == 0 ? 0 : Limits.ingestChunkBytes)
    var left = count
    var lines: UInt64 = 0
    while left > 0 {
      let read = try source.read(count: Int(min(left, UInt64(bytes.count))), into: &bytes, at: 0)
      if read == 0 { return nil }
      for index in 0..<read where bytes[index] == 0x0A { lines += 1 }
      left -= UInt64(read)
    }
    return lines
  }
}
