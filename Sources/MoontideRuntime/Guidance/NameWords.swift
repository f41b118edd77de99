/// The words of a type's name, and whether they tell of something that happened. English, and kind: a name
/// that may be meant so is taken so.
struct NameWords {
  let words: [String]

  /// `OrderPlaced`, `order_placed`, `order.placed`
  init(_ name: String) {
    var words: [String] = []
    var word = ""
    for character in name {
      let isLetter = character.isLetter
      if character.isUppercase || !isLetter, !word.isEmpty, word.last?.isUppercase == false || !isLetter {
        words.append(word.lowercased())
        word = ""
      }
      if isLetter { word.append(character) }
    }
    if !word.isEmpty { words.append(word.lowercased()) }
    self.words = words
  }

  /// Whether a word of it is a verb in the past tense or a participle.
  var tellsOfThePast: Bool { words.contains(where: NameWords.isPast) }

  /// Whether the name can be judged at all: words of ASCII, and no mere letters such as `A`.
  var isEnglish: Bool {
    words.contains { $0.count > 2 } && words.allSatisfy { $0.allSatisfy(\.isASCII) }
  }

  /// Whether it reads as something that is asked for: no past tense but in a verb that has only one form, and
  /// no `…ing` at its beginning.
  var isImperative: Bool {
    guard let first = words.first else { return true }
    if first.hasSuffix("ing"), !NameWords.verbsInIng.contains(first) { return false }
    return !words.enumerated().contains { index, word in
      NameWords.isPast(word) && !(index == 0 && NameWords.sameInPast.contains(word))
        && (index == 0 || index == words.count - 1)
    }
  }

  private static func isPast(_ word: String) -> Bool {
    if irregular.contains(word) || sameInPast.contains(word) { return true }
    return word.count > 3 && word.hasSuffix("ed") && !word.hasSuffix("eed")
      && !notPast.contains(word)
  }

  private static let verbsInIng: Set = ["bring", "ring", "sing", "ping", "swing", "sling", "cling", "string"]
  private static let notPast: Set = [
    "shed", "sled", "embed", "hundred", "kindred", "sacred", "biped", "moped",
  ]
  private static let sameInPast: Set = [
    "set", "put", "cut", "hit", "let", "shut", "split", "spread", "quit", "bid", "bet", "cast", "cost",
    "hurt",
    "read", "run", "reset", "overrun", "come", "become", "upset", "broadcast", "forecast", "offset", "beat",
  ]
  private static let irregular: Set = [
    "agreed", "arisen", "awoken", "began", "begun", "been", "bent", "bitten", "blown", "bought", "bound",
    "broke",
    "broken", "brought", "built", "burnt", "came", "caught", "chose", "chosen", "clung", "crept", "dealt",
    "decreed", "did", "done", "drawn", "dreamt", "drew", "driven", "drove", "drunk", "dug", "eaten",
    "exceeded",
    "fallen", "fed", "fell", "felt", "fled", "flew", "flown", "forbidden", "foreseen", "forgave", "forgiven",
    "forgot", "forgotten", "fought", "found", "freed", "froze", "frozen", "gave", "given", "gone", "got",
    "gotten", "grew", "grown", "guaranteed", "had", "heard", "held", "hid", "hidden", "hung", "kept", "knew",
    "known", "laid", "lain", "learnt", "led", "left", "lent", "lit", "lost", "made", "meant", "met", "misled",
    "mistaken", "outbid", "outsold", "overdrawn", "overdue", "overheard", "overpaid", "overridden",
    "overtaken",
    "overthrown", "paid", "prepaid", "proven", "ran", "rang", "rebuilt", "redone", "refereed", "remade",
    "repaid", "resold", "resent", "retaken", "rewritten", "ridden", "risen", "rose", "rung", "said", "sang",
    "sat", "saw", "seen", "sent", "shaken", "shone", "shook", "shot", "shown", "shrunk", "slept", "slid",
    "slipped", "sold", "sought", "spent", "spoke", "spoken", "spun", "stole", "stolen", "stood", "struck",
    "stuck", "sung", "sunk", "swept", "swollen", "sworn", "swum", "swung", "taken", "taught", "thought",
    "threw", "thrown", "told", "took", "torn", "trodden", "underpaid", "understood", "undertaken", "undone",
    "unpaid", "unsent", "upheld", "went", "withdrawn", "withdrew", "withheld", "woken", "won", "wore", "worn",
    "wound", "wove", "woven", "written", "wrote",
  ]
}
