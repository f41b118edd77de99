/// Rule 6: no fault is swallowed, none that a user, a file or a network can cause ends the process, and
/// nothing is left for later.
enum FailureRules {
  static func findings(in file: SourceFile) -> [Finding] {
    guard file.room != nil, file.isSwift || file.isC else { return [] }
    return (file.isSwift ? calls(file) + emptyCatches(file) : []) + notes(file)
  }

  private static func calls(_ file: SourceFile) -> [Finding] {
    zip(file.tokens, file.tokens.dropFirst()).compactMap { token, next in
      switch (token.text, next.text) {
      case ("try", "?") where next.isGlued:
        file.finding(token.line, "try? drops the reason", mend: "catch it, and act on it or pass it on")
      case ("try", "!") where next.isGlued:
        file.finding(
          token.line, "try! ends the process", mend: "throw; for an invariant, precondition with values")
      case ("fatalError", "("):
        file.finding(
          token.line, "fatalError",
          mend: "throw what a person can cause; for an invariant, precondition with values")
      default: nil
      }
    }
  }

  private static func emptyCatches(_ file: SourceFile) -> [Finding] {
    let tokens = file.tokens
    return tokens.indices.compactMap { index in
      guard tokens[index].text == "catch" else { return nil }
      guard let open = tokens[index...].firstIndex(where: { $0.text == "{" }), open + 1 < tokens.count,
        tokens[open + 1].text == "}"
      else { return nil }
      return file.finding(tokens[index].line, "an empty catch", mend: "act on the error or pass it on")
    }
  }

  private static func notes(_ file: SourceFile) -> [Finding] {
    file.comments.enumerated().compactMap { index, comment in
      let words = comment.split { !$0.isLetter }
      guard let word = words.first(where: { $0 == "TODO" || $0 == "FIXME" || $0 == "XXX" }) else {
        return nil
      }
      return file.finding(index + 1, "a \(word)", mend: "do it now, or open an issue and say nothing here")
    }
  }
}
