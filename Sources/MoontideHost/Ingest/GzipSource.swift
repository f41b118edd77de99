import CZlib
import MoontideCore

/// The unpacked bytes of a gzip file (RFC 1952), all its members one after another.
final class GzipSource: ByteSource {
  private let file: any File
  private let stream: UnsafeMutablePointer<z_stream>
  private var packed: [UInt8]
  private var packedStart = 0
  private var packedEnd = 0
  private(set) var fileBytesRead: UInt64 = 0
  /// Between two members, where the file may end.
  private var isBetween = true
  private var hasMember = false
  private var reachedEnd = false

  init(_ file: any File) throws(SourceFault) {
    self.file = file
    packed = [UInt8](repeating: 0, count: Limits.unpackBytes)
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, and 16 to ask for the gzip format.
    let status = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    if status != Z_OK {
      stream.deallocate()
      throw .corrupt(reason: "zlib did not start (\(status))")
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  var isComplete: Bool { reachedEnd && isBetween && hasMember }
  /// The file ends inside a member: it is still being written, or was cut.
  var isCut: Bool { reachedEnd && !isBetween }

  func read(count: Int, into buffer: inout [UInt8], at index: Int) throws(SourceFault) -> Int {
    precondition(index + count <= buffer.count, "\(count) bytes at \(index) do not fit into \(buffer.count)")
    var written = 0
    while written == 0 {
      if packedStart == packedEnd, try !refill() { return 0 }
      if isBetween, try !beginMember() { continue }
      written = try unpack(count: count, into: &buffer, at: index)
    }
    return written
  }

  private func refill() throws(SourceFault) -> Bool {
    do throws(FileError) {
      packedStart = 0
      packedEnd = try file.read(at: fileBytesRead, count: packed.count, into: &packed, at: 0)
      fileBytesRead += UInt64(packedEnd)
      reachedEnd = packedEnd == 0
      return packedEnd > 0
    } catch {
      throw .file(error)
    }
  }

  /// False when the rest of what was read is zeros, which some writers pad with.
  private func beginMember() throws(SourceFault) -> Bool {
    if hasMember {
      while packedStart < packedEnd, packed[packedStart] == 0 { packedStart += 1 }
      if packedStart == packedEnd { return false }
      if packed[packedStart] != 0x1F {
        throw .corrupt(reason: "bytes that are no gzip member follow the last one")
      }
      inflateReset(stream)
    }
    isBetween = false
    hasMember = true
    return true
  }

  private func unpack(count: Int, into buffer: inout [UInt8], at index: Int) throws(SourceFault) -> Int {
    let status = packed.withUnsafeMutableBufferPointer { packed in
      buffer.withUnsafeMutableBufferPointer { target in
        stream.pointee.next_in = packed.baseAddress! + packedStart
        stream.pointee.avail_in = UInt32(packedEnd - packedStart)
        stream.pointee.next_out = target.baseAddress! + index
        stream.pointee.avail_out = UInt32(count)
        return inflate(stream, Z_NO_FLUSH)
      }
    }
    packedStart = packedEnd - Int(stream.pointee.avail_in)
    let written = count - Int(stream.pointee.avail_out)
    switch status {
    case Z_OK, Z_BUF_ERROR: return written
    case Z_STREAM_END:
      isBetween = true
      return written
    default:
      // What was unpacked before the damage is good; the next call meets the damage again.
      if written > 0 { return written }
      throw .corrupt(reason: stream.pointee.msg.map { String(cString: $0) } ?? "zlib says \(status)")
    }
  }
}
