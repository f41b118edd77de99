import MoontideCore
import MoontideHost

/// Cuts a stream into whole lines and publishes them in batches.
final class LinePublisher {
  private let access: any ProjectAccess
  private let topic: TopicName
  private var pending: [UInt8] = []
  private var total = PublishOutcome(published: 0, repeats: 0, end: .start)

  /// About a thousand events of a common size.
  private static let batchBytes = 512 << 10

  init(_ access: any ProjectAccess, topic: TopicName) {
    self.access = access
    self.topic = topic
  }

  func take(_ bytes: [UInt8]) throws(Diagnostic) {
    pending += bytes
    if pending.count >= LinePublisher.batchBytes, let newline = pending.lastIndex(of: UInt8(ascii: "\n")) {
      try publish(newline + 1)
    }
  }

  /// Publishes what is left; a last line without a newline counts.
  func finish() throws(Diagnostic) -> PublishOutcome {
    if !pending.isEmpty {
      if pending.last != UInt8(ascii: "\n") { pending.append(UInt8(ascii: "\n")) }
      try publish(pending.count)
    }
    return total
  }

  private func publish(_ count: Int) throws(Diagnostic) {
    let outcome = try access.append(PublishRequest(topic: topic, lines: Array(pending[..<count])))
    pending.removeFirst(count)
    total = PublishOutcome(
      published: total.published + outcome.published, repeats: total.repeats + outcome.repeats,
      end: max(total.end, outcome.end))
  }
}
