import FoundationEssentials
import MoontideCore
import MoontideJSON

/// Makes the record that keeps a bad line.
enum QuarantineRecord {
  /// A draft whose `data` is the note as JSON, its bytes appended to `batch`. Its id comes from inode,
  /// offset and bytes, so that the same line of the same file is kept once however often it is met.
  static func draft(
    _ note: QuarantineNote, inode: UInt64, topic: TopicID, into batch: DraftBatch
  ) -> Draft {
    let digest = Digest.zero.adding(note.rawBase64)
    let id = batch.bytes.appendPart("\(inode):\(note.byteOffset):\(digest)")
    let type = batch.bytes.appendPart("LineQuarantined")
    let key = batch.bytes.appendPart(QuarantineNote.key, ByteRange(start: 0, count: QuarantineNote.key.count))
    let start = batch.bytes.count
    append(note, to: &batch.bytes)
    let data = ByteRange(start: start, count: batch.bytes.count - start)
    let envelope = Envelope(kind: .quarantine, id: id, type: type, key: key, data: data)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: data, in: batch.bytes)
    return Draft(topic: topic, envelope: envelope, body: body)
  }

  /// The first bytes of a line, as the note keeps them.
  static func base64(_ bytes: some Collection<UInt8>) -> String {
    Data(bytes.prefix(Limits.quarantineBytesMax)).base64EncodedString()
  }

  private static func append(_ note: QuarantineNote, to out: inout [UInt8]) {
    var members: [JSONValue.Member] = [
      .init("code", .string(note.code)), .init("reason", .string(note.reason)),
      .init("file", .string(note.file)), .init("line", .integer(Int64(note.line))),
      .init("byteOffset", .integer(Int64(note.byteOffset))),
      .init("lineBytes", .integer(Int64(note.lineBytes))), .init("rawBase64", .string(note.rawBase64)),
    ]
    if let position = note.conflictPosition {
      members.append(.init("conflictPosition", .integer(Int64(position))))
    }
    JSONValue.object(members).append(to: &out)
  }
}
