import MoontideCore
import MoontideJSON
import MoontideRuntime

/// Publishes lines that came from a command: all of a request or nothing, on disk when it returns. One thread
/// at a time.
final class EventPublisher {
  private let log: any EventLog
  private let partitions: (TopicName) -> UInt16?
  private let catalog: ProjectCatalog
  private let published: () -> Void
  private let parser = EnvelopeParser()
  private let batch = DraftBatch()

  /// - Parameters:
  ///   - catalog: whose deciders take commands.
  ///   - partitions: what the settings say of a topic.
  ///   - published: called after the flush.
  init(
    log: any EventLog, catalog: ProjectCatalog, partitions: @escaping (TopicName) -> UInt16?,
    published: @escaping () -> Void
  ) {
    self.log = log
    self.catalog = catalog
    self.partitions = partitions
    self.published = published
  }

  func publish(_ request: PublishRequest) throws(Diagnostic) -> PublishOutcome {
    batch.removeAll()
    var bytes = request.lines
    let end = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    let topic = try LogError.told { () throws(LogError) in
      try log.topic(request.topic, partitions: request.topic.isSystem ? 1 : partitions(request.topic))
    }
    var lineNumbers: [Int] = []
    var start = 0
    var number = 0
    while start < end {
      let newline = bytes[start..<end].firstIndex(of: UInt8(ascii: "\n")) ?? end
      number += 1
      var stop = newline
      if stop > start, bytes[stop - 1] == UInt8(ascii: "\r") { stop -= 1 }
      if bytes[start..<stop].contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }) {
        try parse(
          bytes, ByteRange(start: start, count: stop - start), topic.id, line: number,
          isCommand: request.topic == .commands)
        lineNumbers.append(number)
      }
      start = newline + 1
    }
    if batch.drafts.isEmpty {
      return PublishOutcome(published: 0, repeats: 0, end: log.durableEnd)
    }
    return try append(lineNumbers)
  }

  private func parse(_ bytes: [UInt8], _ line: ByteRange, _ topic: TopicID, line number: Int, isCommand: Bool)
    throws(Diagnostic)
  {
    do throws(EnvelopeFault) {
      try parser.parse(bytes, line, topic: topic, into: batch)
      if isCommand { try Command.complete(batch, catalog: catalog) }
    } catch {
      throw Diagnostic(
        code: error.code, error.reason, at: SourcePlace(file: "append", line: number),
        details: [
          .init("state", "nothing of this call was published"),
          .init("help", "moontide explain \(error.code)"),
        ])
    }
  }

  private func append(_ lineNumbers: [Int]) throws(Diagnostic) -> PublishOutcome {
    let outcome = try LogError.told { () throws(LogError) in try log.append(AppendRequest(batch: batch)) }
    switch outcome {
    case .written(let written):
      try LogError.told { () throws(LogError) in _ = try log.flush() }
      published()
      return PublishOutcome(published: written.count, repeats: written.repeats, end: written.durableWhen)
    case .conflicts(let conflicts):
      let draft = batch.drafts[conflicts[0].index]
      let holder = conflicts[0].position.map { "event \($0)" } ?? "an earlier line of this call"
      throw Diagnostic(
        code: EnvelopeRule.conflict.code,
        "an id names one event for ever: \(batch.bytes.text(draft.envelope.id)) is \(holder), "
          + "with another body",
        at: SourcePlace(file: "append", line: lineNumbers[conflicts[0].index]),
        details: [
          .init("state", "nothing of this call was published"),
          .init("help", "give the new event an id of its own"),
        ])
    case .alreadyWritten, .unexpectedVersion:
      preconditionFailure("a request without producer and condition was answered with \(outcome)")
    }
  }
}
