/// "Did you mean": the candidate nearest to what was typed.
public enum Suggestion {
  /// The nearest candidate by edit distance (with transpositions), if it is near enough: at most a third of
  /// the letters differ, and at least one may. Ties go to the first in order.
  public static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let letters = Array(word.lowercased())
    let bound = max(1, (letters.count + 1) / 3)
    var best: (distance: Int, word: String)?
    for candidate in candidates where candidate != word {
      let distance = distance(letters, Array(candidate.lowercased()))
      if distance <= bound, distance < best?.distance ?? .max { best = (distance, candidate) }
    }
    return best?.word
  }

  /// The only candidate that begins with the word, or that the word begins with; neither shorter than three
  /// letters: `init` for `initial`.
  public static func begun(by word: String, among candidates: some Sequence<String>) -> String? {
    let found = candidates.filter {
      min($0.count, word.count) >= 3 && $0 != word && ($0.hasPrefix(word) || word.hasPrefix($0))
    }
    return found.count == 1 ? found[0] : nil
  }

  /// Optimal string alignment distance.
  static func distance(_ a: [Character], _ b: [Character]) -> Int {
    if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in 1...a.count {
      var row = [i] + [Int](repeating: 0, count: b.count)
      for j in 1...b.count {
        row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          row[j] = min(row[j], beforeLast[j - 2] + 1)
        }
      }
      (beforeLast, last) = (last, row)
    }
    return last[b.count]
  }
}
