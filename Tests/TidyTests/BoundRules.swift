/// Rule 4: every bound lies in `Limits`, with its reason: in `Limits.swift`, or in an extension beside it.
enum BoundRules {
  static let limits = "Sources/MoontideCore/Limits.swift"

  static func findings(in file: SourceFile) -> [Finding] {
    guard file.isSwift, file.room != nil else { return [] }
    return isLimits(file.path) ? undocumented(file) : elsewhere(file)
  }

  private static func isLimits(_ path: String) -> Bool {
    path.hasPrefix("Sources/MoontideCore/") && path.hasSuffix("Limits.swift")
  }

  private static func elsewhere(_ file: SourceFile) -> [Finding] {
    let tokens = file.tokens
    return tokens.indices.dropLast(2).compactMap { index in
      guard tokens[index].text == "static", tokens[index + 1].text == "let" else { return nil }
      let name = tokens[index + 2].text
      guard name.hasSuffix("Max") || name.hasPrefix("max") && name.dropFirst(3).first?.isUppercase == true
      else { return nil }
      return file.finding(
        tokens[index].line, "the bound \(name) lies here", mend: "move it to \(limits) with its reason")
    }
  }

  /// A bound has a comment above it, or stands directly below one that has.
  private static func undocumented(_ file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    var hasReason = false
    for (index, line) in file.lines.enumerated() {
      let text = line.drop { $0 == " " }
      if text.hasPrefix("///") {
        hasReason = true
      } else if text.isEmpty || text.hasPrefix("//") {
        hasReason = false
      } else if text.hasPrefix("public static let"), !hasReason {
        findings.append(
          file.finding(
            index + 1, "a bound without a reason", mend: "say its unit and its reason in a /// line above"))
      }
    }
    return findings
  }
}
