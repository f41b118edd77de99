/// What accounts come to, over dictionaries: upcasters and `evolve` of `AccountScripts` a second time, for
/// all of its editions at once.
struct AccountFold {
  /// An event as upcasters make it.
  struct Part {
    var type: String
    var id: String
    var cents: Int
    /// By edition.
    var tags: [Int]
  }

  struct Account {
    /// Events that are stored.
    var version = 0
    /// Events that `evolve` saw.
    var count = 0
    var balance = 0
    /// Whether a worn script cannot follow it.
    var isCharged = false
    /// By edition.
    var mix = AccountScripts.editions.map { _ in 7 }
  }

  private(set) var accounts: [String: Account] = [:]

  subscript(_ key: String) -> Account { accounts[key] ?? Account() }

  /// Takes the next stored event of the topic `accounts`.
  mutating func apply(_ record: LogWitness.Seen) {
    var account = self[record.key]
    account.version += 1
    for part in Self.parts(of: record) {
      let cents = part.type == "Charged" ? min(part.cents, account.balance) : part.cents
      let weights =
        switch part.type {
        case "Deposited": part.tags.map { cents + $0 }
        case "Withdrawn": part.tags.map { _ in cents * 3 }
        case "Charged": part.tags.map { _ in cents * 5 }
        default: part.tags.map { _ in 11 }
        }
      account.count += 1
      account.isCharged = account.isCharged || part.type == "Charged"
      account.balance += part.type == "Deposited" ? cents : part.type == "Stamped" ? 0 : -cents
      for (index, edition) in AccountScripts.editions.enumerated() {
        account.mix[index] = (account.mix[index] * edition.factor + weights[index]) % AccountScripts.modulus
      }
    }
    accounts[record.key] = account
  }

  /// What handlers see of a stored event.
  static func parts(of record: LogWitness.Seen) -> [Part] {
    func number(_ name: String) -> Int { MemberText(record.data).number(name) ?? 0 }
    func part(_ type: String, _ id: String, _ cents: Int) -> Part {
      Part(type: type, id: id, cents: cents, tags: AccountScripts.editions.map(\.tag))
    }
    switch (record.type, record.version) {
    case ("Deposited", 1): return [part("Deposited", record.id, number("amount") * 10)]
    case ("Deposited", 2): return [part("Deposited", record.id, number("cents"))]
    case ("Deposited", _):
      var made = part("Deposited", record.id, number("cents"))
      made.tags = made.tags.map { _ in number("tag") }
      return [made]
    case ("Noted", _):
      let isVoid = record.data.contains("\"void\":true")
      return isVoid ? [] : [part("Deposited", record.id, number("amount") * 10)]
    case ("Swept", _):
      let half = number("all") / 2
      return [
        part("Withdrawn", record.id + "~1", half), part("Withdrawn", record.id + "~2", number("all") - half),
      ]
    default: return [part(record.type, record.id, number("cents"))]
    }
  }
}
