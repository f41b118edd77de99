import Foundation
import MoontideCore
import BorrowedFixtures
import Testing

/// Tables that others made.
@Suite(.needsBorrowedFixtures) struct TablesTests {
  static func rows(_ name: String) throws -> [[Substring]] {
    let url = try BorrowedFixtures.url("data/conformance/tables/\(name)")
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").dropFirst()
      .map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
  }

  static func bytes(hex: Substring) -> [UInt8] {
    var text = hex
    var bytes: [UInt8] = []
    while let byte = UInt8(text.prefix(2), radix: 16), text.count >= 2 {
      bytes.append(byte)
      text = text.dropFirst(2)
    }
    return bytes
  }

  @Test func `crc32c agrees with every row of the table`() throws {
    let rows = try Self.rows("crc32c.tsv")
    #expect(rows.count == 57)
    for row in rows {
      let bytes = Self.bytes(hex: row[0])
      #expect(CRC32C.checksum(bytes, 0..<bytes.count) == UInt32(row[1], radix: 16), "\(row[2])")
      let half = bytes.count / 2
      let pieces = CRC32C.checksum(
        bytes, half..<bytes.count, continuing: CRC32C.checksum(bytes, 0..<half))
      #expect(pieces == UInt32(row[1], radix: 16), "in two pieces: \(row[2])")
    }
  }

  @Test func `keys are placed where Kafka places them`() throws {
    let rows = try Self.rows("kafka-partition.dev.tsv")
    #expect(rows.count == 1061)
    let counts: [UInt16] = [1, 3, 4, 6, 8, 12, 16, 64, 100]
    for row in rows {
      let key = Self.bytes(hex: row[0])
      #expect(Partitioner.murmur2(key) == Int32(row[1]), "key \(row[0])")
      for (count, expected) in zip(counts, row.dropFirst(2)) {
        let range = ByteRange(start: 0, count: key.count)
        #expect(Partitioner.partition(key, range, of: count) == UInt16(expected), "key \(row[0]) of \(count)")
      }
    }
  }
}
