import MoontideCore
import MoontideLua

extension DefinitionReader {
  /// The `retry` table of a handler or of the settings, if it is there; what it does not say comes from
  /// `policy`.
  mutating func retryPolicy(_ body: LuaTable, default policy: RetryPolicy) -> RetryPolicy {
    var policy = policy
    guard let value = body["retry"] else { return policy }
    guard case .table(let table) = value else {
      wrongKind(value, ["retry"], wanted: "a table of attempts, backoff, factor, max")
      return policy
    }
    checkKeys(of: table, at: ["retry"], allowed: ["attempts", "backoff", "factor", "max"])
    policy.attempts =
      integer(table, ["retry", "attempts"], in: 1...Limits.retryAttemptsMax) ?? policy.attempts
    policy.backoff = duration(table, ["retry", "backoff"]) ?? policy.backoff
    policy.max = duration(table, ["retry", "max"]) ?? policy.max
    switch table["factor"] {
    case nil: break
    case .integer(let number) where number >= 1 && number <= 100: policy.factor = Double(number)
    case .number(let number) where number >= 1 && number <= 100: policy.factor = number
    case let other?:
      report(
        .badValue,
        "\(title): `retry.factor` is a number from 1 to 100, not \(DefinitionReader.kindName(other))",
        at: valuePlace(["retry", "factor"]))
    }
    return policy
  }
}
