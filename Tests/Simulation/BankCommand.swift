/// One command of the outside world, as its line says it; `data` is different for every one.
struct BankCommand: Sendable {
  enum Kind: String, CaseIterable, Sendable {
    case deposit = "Deposit"
    case withdraw = "Withdraw"
    case sweep = "Sweep"
    case turn = "Turn"
    case stamp = "Stamp"
    case fail = "Break"
  }

  var id: String
  var kind: Kind
  var account: String
  /// Of its kind: an amount, cents, or the number of a seal.
  var number: Int
  var data: String
  /// Asked for with every sending.
  var expected: Int?

  static let accounts = ["a0", "a1", "a2", "a3"]

  init(id: String, sequence: Int, _ numbers: SeededNumbers) {
    self.id = id
    let kinds: [Kind] = [
      .deposit, .deposit, .deposit, .deposit, .withdraw, .withdraw, .withdraw, .sweep, .turn, .stamp, .fail,
    ]
    kind = numbers.pick(kinds)
    account = numbers.pick(Self.accounts)
    number = 1 + numbers.below(kind == .withdraw ? 900 : kind == .stamp ? 12 : 100)
    let name =
      switch kind {
      case .deposit: "amount"
      case .withdraw: "cents"
      default: "seal"
      }
    data = "{\"account\":\"\(account)\",\"\(name)\":\(number),\"seq\":\(sequence)}"
    if numbers.chance(0.1) { expected = numbers.below(12) }
  }

  var line: String { "{\"id\":\"\(id)\",\"type\":\"\(kind.rawValue)\",\"data\":\(data)}" }
}
