/// How the commands stand that one function of a saga returned: those of a list are accepted and refused one
/// by one.
public struct SagaCall: Sendable, Hashable {
  /// Why one of them was refused.
  public struct Refusal: Sendable, Hashable {
    public var code: String
    public var text: String
  }

  /// How many there are, those included that a try before has done; 0 for one or none, of which nothing is to
  /// be known that its outcome does not say.
  public var count = 0
  /// Places, from 0, of those that were accepted: another try leaves them out.
  public var accepted: [Int] = []
  /// Of the try that runs; the last one.
  public var refusal: Refusal?

  /// The function was called: so many of what it returned were sent.
  mutating func begin(sent: Int) {
    let all = sent + accepted.count
    count = all > 1 ? all : 0
    refusal = nil
  }

  mutating func answer(_ place: Int, _ verdict: SagaVerdict) {
    switch verdict {
    case .accepted: accepted.append(place)
    case .refused(let code, let text): refusal = Refusal(code: code, text: text)
    }
  }

  /// The places of those that were sent now, in order.
  var open: [Int] { (0..<max(1, count)).filter { !accepted.contains($0) } }
}
