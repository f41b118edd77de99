/// An event that somebody else writes to an account's stream, in the versions and types of former years.
struct AccountEvent: Sendable {
  var id: String
  var type: String
  var version: Int
  var key: String
  var data: String

  init(id: String, sequence: Int, _ numbers: SeededNumbers) {
    self.id = id
    key = numbers.pick(BankCommand.accounts)
    let number = 1 + numbers.below(90)
    switch numbers.below(6) {
    case 0:
      (type, version, data) = ("Deposited", 1, "{\"amount\":\(number),\"seq\":\(sequence)}")
    case 1:
      (type, version, data) = ("Deposited", 2, "{\"cents\":\(number),\"seq\":\(sequence)}")
    case 2:
      (type, version, data) = ("Noted", 1, "{\"amount\":\(number),\"seq\":\(sequence)}")
    case 3:
      (type, version, data) = ("Noted", 1, "{\"amount\":\(number),\"void\":true,\"seq\":\(sequence)}")
    default:
      (type, version, data) = ("Charged", 1, "{\"cents\":\(number * 5),\"seq\":\(sequence)}")
    }
  }

  var line: String {
    "{\"id\":\"\(id)\",\"type\":\"\(type)\",\"version\":\(version),\"key\":\"\(key)\",\"data\":\(data)}"
  }
}
