/// One event of the outside world, as its line says it; `data` is different for every one.
struct PaidEvent: Sendable {
  var topic: String
  var id: String
  var key: String
  var amount: Int
  var isBad: Bool
  var isPoison: Bool
  var isDouble: Bool
  var data: String

  init(topic: String, id: String, key: String, number: Int, _ numbers: SeededNumbers) {
    self.topic = topic
    self.id = id
    self.key = key
    amount = numbers.below(1_000)
    isBad = numbers.chance(0.06)
    isPoison = numbers.chance(0.05)
    isDouble = numbers.chance(0.2)
    data =
      "{\"seq\":\(number),\"amount\":\(amount)\(isBad ? ",\"bad\":true" : "")"
      + "\(isPoison ? ",\"poison\":true" : "")\(isDouble ? ",\"two\":true" : "")}"
  }

  /// The same as a person corrects it: nothing fails at it.
  func corrected(number: Int, amount: Int) -> PaidEvent {
    var event = self
    event.amount = amount
    (event.isBad, event.isPoison) = (false, false)
    event.data = "{\"seq\":\(number),\"amount\":\(amount)\(isDouble ? ",\"two\":true" : "")}"
    return event
  }

  var line: String { "{\"id\":\"\(id)\",\"type\":\"Paid\",\"key\":\"\(key)\",\"data\":\(data)}" }
}
