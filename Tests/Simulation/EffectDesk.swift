import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// The systems to which effects go, with a note of every request that reached them: those stay, whatever
/// becomes of the process. At each request it looks whether that may be: I4, I7.
///
/// `@unchecked Sendable`: a simulation is one thread.
final class EffectDesk: @unchecked Sendable {
  /// What stands in the text of a request: the event that caused it, and which of its effects it is.
  struct Cause: Hashable {
    var of: String
    var ordinal: Int
  }

  let numbers: SeededNumbers
  /// Keys in the order of their first request.
  private(set) var keys: [String] = []
  private var known: Set<String> = []
  private var causes: [String: Cause] = [:]
  private var keysOfCauses: [Cause: String] = [:]
  private(set) var requests = 0
  private(set) var violations: [String] = []
  /// Ids of results that the log was seen to have.
  var results: Set<String> = []
  /// Nobody fails any more.
  var isCalm = false

  init(_ numbers: SeededNumbers) { self.numbers = numbers }

  func hasSeen(_ key: String) -> Bool { known.contains(key) }

  /// A request arrived.
  /// - Parameter ledger: what is committed of the handler that it is of.
  func arrived(_ job: EffectJob, _ ledger: [LedgerEffect]) {
    requests += 1
    let text = String(decoding: job.request.shown, as: UTF8.self)
    guard let effect = ledger.first(where: { $0.key == job.key }) else {
      return violations.append("I7: \(job.key) was performed, and nothing of it is committed: \(text)")
    }
    if !effect.status.isOpen {
      violations.append("I7: \(job.key) was performed again, though it is \(effect.status)")
    }
    if results.contains(effect.resultID) {
      violations.append("I7: \(job.key) was performed again, though the log has its result")
    }
    if effect.request != job.request.bytes {
      violations.append("I7: \(job.key) asks for \(text), committed is \(effect.request.count) other bytes")
    }
    // One that a person has performed again waits behind those that were on their way.
    for other in ledger
    where other.sequence < effect.sequence && other.topic == effect.topic && other.orderKey == effect.orderKey
      && other.status.isOpen && other.round == 1 && !results.contains(other.resultID)
    {
      violations.append("I7: \(job.key) was performed before \(other.key) of the same key")
    }
    if known.insert(job.key).inserted { keys.append(job.key) }
    guard let of = MemberText(text).texts("of").first, let ordinal = MemberText(text).number("n") else {
      return violations.append("I7: \(job.key) asks for \(text)")
    }
    check(job.key, Cause(of: of, ordinal: ordinal))
  }

  /// The key of a result, whatever its round.
  static func key(ofResult id: String) -> String { String(id.prefix { $0 != "#" }) }

  /// Each cause has one key, for ever.
  func check(_ key: String, _ cause: Cause) {
    if let other = causes.updateValue(cause, forKey: key), other != cause {
      violations.append("I4: \(key) is of \(cause) and of \(other)")
    }
    if let other = keysOfCauses.updateValue(key, forKey: cause), other != key {
      violations.append("I4: \(cause) has the keys \(key) and \(other)")
    }
  }
}

extension LedgerEffect {
  /// The id of the result of its round.
  var resultID: String { round == 1 ? key : "\(key)#\(round)" }
}
