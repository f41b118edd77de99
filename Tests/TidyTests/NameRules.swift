/// Rule 1 and the first half of rule 2: what things are called.
enum NameRules {
  private static let banned: Set<String> = [
    "Utils", "Util", "Utilities", "Helpers", "Helper", "Common", "Misc", "Base", "Manager", "Info", "Data",
  ]
  private static let declarations: Set<String> = [
    "struct", "class", "enum", "protocol", "actor", "typealias",
  ]

  static func findings(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    let stem = String(file.name.prefix { $0 != "." && $0 != "+" })
    for part in file.path.split(separator: "/").dropLast() + [stem[...]] {
      if let word = bannedWord(in: String(part)) {
        findings.append(
          file.finding(
            1, "the path has “\(word)” in it, which says nothing", mend: "name it after what it does"))
      }
    }
    guard file.isSwift, file.room != nil else { return findings }
    var types: [String] = []
    for (token, next) in zip(file.tokens, file.tokens.dropFirst()) where declarations.contains(token.text) {
      guard next.text.first?.isUppercase == true else { continue }
      types.append(next.text)
      if let word = bannedWord(in: next.text) {
        findings.append(
          file.finding(
            token.line, "the type \(next.text) has “\(word)” in its name", mend: "use a word of the glossary")
        )
      }
    }
    // A file of extensions alone is named after what they are about.
    let singular = stem.hasSuffix("s") ? String(stem.dropLast()) : stem
    if !types.isEmpty, !types.contains(where: { $0.hasPrefix(stem) || $0.hasPrefix(singular) }),
      !extended(file).contains(stem)
    {
      findings.append(
        file.finding(
          1, "the file is not named after a type in it (\(types.prefix(3).joined(separator: ", ")))",
          mend: "name it after its main type, one main type a file"))
    }
    return findings
  }

  private static func extended(_ file: SourceFile) -> Set<String> {
    Set(zip(file.tokens, file.tokens.dropFirst()).filter { $0.0.text == "extension" }.map { $0.1.text })
  }

  /// A banned word among those that capitals set apart: `RowUtils` has one, `Database` none.
  private static func bannedWord(in name: String) -> String? {
    var words: [String] = []
    for character in name {
      if character.isUppercase || words.isEmpty || !character.isLetter {
        words.append(String(character))
      } else {
        words[words.count - 1].append(character)
      }
    }
    return words.first { banned.contains($0.prefix(1).uppercased() + $0.dropFirst()) }
  }
}
