import MoontideCore

/// Begins segments.
enum SegmentCreation {
  /// Creates the segment that goes on at `point`; it and its directory entry are durable when it returns.
  /// After an error a file without batches may be left.
  static func create(number: Int, at point: LogPoint, in directory: LogDirectory, log: LogIdentity)
    throws(LogError) -> Segment
  {
    let header = SegmentHeader(log: log.digest, basePosition: point.position, firstBatch: point.batch)
    let name = SegmentHeader.fileName(basePosition: point.position)
    // An attempt that failed may have left a file that nothing was written to behind its header.
    let file = try directory.open(name, .readWrite)
    try file.truncate(to: 0)
    let bytes = header.encoded()
    try file.write(bytes, 0..<bytes.count, at: 0)
    try file.sync()
    CrashPoint.reach(.duringSegment)
    try directory.sync()
    return Segment(number: number, header: header, file: file, end: UInt64(bytes.count))
  }

  /// Makes a segment durable that a process which is gone began and did not use: it may have come to neither
  /// of the two syncs, or one may have failed, after which only bytes that are written again reach the disk.
  static func confirm(_ header: SegmentHeader, _ file: LogFile, in directory: LogDirectory) throws(LogError) {
    let bytes = header.encoded()
    try file.write(bytes, 0..<bytes.count, at: 0)
    try file.sync()
    try directory.sync()
  }

  /// Removes what a failed creation left.
  static func takeBack(at point: LogPoint, in directory: LogDirectory) throws(LogError) {
    try directory.remove(SegmentHeader.fileName(basePosition: point.position))
  }
}
