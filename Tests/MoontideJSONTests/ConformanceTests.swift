import Foundation
import MoontideCore
import MoontideJSON
import BorrowedFixtures
import Testing

@Suite(.needsBorrowedFixtures) struct ConformanceTests {
  /// Names of the JSON test suite by their prefix, with their bytes.
  func cases(_ prefix: String) throws -> [(name: String, bytes: [UInt8])] {
    let folder = try BorrowedFixtures.url("data/conformance/json-test-suite/test_parsing").path
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    return try names.filter { $0.hasPrefix(prefix) }.map { name in
      (name, [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))))
    }
  }

  func fault(_ bytes: [UInt8]) -> EnvelopeFault? {
    do throws(EnvelopeFault) {
      try JSONValidator().validate(bytes)
      return nil
    } catch {
      return error
    }
  }

  @Test func `every document of the JSON test suite that must be accepted is`() throws {
    let cases = try cases("y_")
    #expect(cases.count == 95)
    for (name, bytes) in cases {
      #expect(fault(bytes) == nil, "\(name)")
      _ = try JSONValue(parsing: bytes)
    }
  }

  @Test func `every document of the JSON test suite that must be refused is, with a place`() throws {
    let cases = try cases("n_")
    #expect(cases.count == 188)
    for (name, bytes) in cases {
      let fault = fault(bytes)
      #expect(fault != nil, "\(name) was accepted")
      #expect(fault?.reason.contains("error") != true, "\(name): \(fault?.reason ?? "") names no rule")
    }
  }

  @Test func `the documents that a parser may refuse or accept get an answer`() throws {
    let cases = try cases("i_")
    #expect(cases.count == 35)
    for (name, bytes) in cases {
      guard let fault = fault(bytes) else { continue }
      #expect(fault.code.hasPrefix("E02"), "\(name): \(fault)")
    }
  }

  @Test func `an event with a document of the suite in its data is taken or refused alike`() throws {
    let parser = EnvelopeParser()
    for (name, bytes) in try cases("y_") + cases("n_") {
      let line = Array(#"{"id":"a","type":"B","data":{"x":"#.utf8) + bytes + Array("}}".utf8)
      let batch = DraftBatch()
      let padded = line + [UInt8](repeating: 0, count: Limits.parserPaddingBytes)
      let taken: Bool
      do throws(EnvelopeFault) {
        try parser.parse(padded, ByteRange(start: 0, count: line.count), topic: TopicID(0), into: batch)
        taken = true
      } catch {
        taken = false
      }
      // What follows may complete a document that was cut, so only the accepted ones can be compared.
      if name.hasPrefix("y_") { #expect(taken, "\(name)") }
      #expect(batch.drafts.count == (taken ? 1 : 0) && batch.bytes.isEmpty == !taken, "\(name)")
    }
  }
}
