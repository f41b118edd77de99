import Foundation

/// What `EditedProject`'s question answers for each prefix of the lines and each edition, folded here.
struct PrefixJudge {
  private struct Line: Decodable {
    var key: String
    var type: String
  }

  private let keys: [Int]
  private let lengths: [Int]
  /// After as many lines: keys met, and the lengths of their types.
  private var met: [Int] = [0]
  private var weight: [Int] = [0]

  init(_ lines: [Substring]) throws {
    let decoder = JSONDecoder()
    var (keys, lengths): ([Int], [Int]) = ([], [])
    var known: Set<Int> = []
    for line in lines {
      let event = try decoder.decode(Line.self, from: Data(line.utf8))
      guard let key = Int(event.key) else { throw Fault("\(event.key) is no number") }
      keys.append(key)
      lengths.append(event.type.utf8.count)
      known.insert(key)
      met.append(known.count)
      weight.append(weight[weight.count - 1] + event.type.utf8.count)
    }
    self.keys = keys
    self.lengths = lengths
  }

  /// Of polls of one edition, those that are no fold of a prefix; each with what it should have been.
  func wrong(_ polls: [LivePolls.Poll], edition: Int) -> [String] {
    var wrong: [String] = []
    var hash = 0
    var done = 0
    for poll in polls.sorted(by: { $0.values[0] < $1.values[0] }) {
      let n = poll.values[0]
      guard (0...keys.count).contains(n) else {
        wrong.append("\(poll.values): there are \(keys.count) lines")
        continue
      }
      while done < n {
        hash = (hash * 31 + keys[done] * edition + lengths[done]) % 1_000_000_007
        done += 1
      }
      let right = [n, hash, edition, met[n], n, weight[n] * edition, edition, edition]
      if poll.values != right { wrong.append("\(poll.values) and not \(right)") }
    }
    return wrong
  }
}
