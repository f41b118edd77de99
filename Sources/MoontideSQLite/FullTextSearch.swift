import MoontideCore

/// What a script may ask a full-text table. FTS5 takes the words of a search times their places in one row
/// within one call that nothing interrupts, and more for NEAR; so a script's searches are short, without
/// NEAR, and stand in the statement or are bound to it.
enum FullTextSearch {
  /// Why `words` may not run with these arguments, or nil. `tables` in lower case.
  static func refusal(_ words: SQLWords, _ arguments: RowBuffer, tables: Set<String>) -> String? {
    let tokens = words.tokens
    let searches = tokens.contains { $0.kind == .word && $0.text.lowercased() == "match" }
    for (index, token) in tokens.enumerated() {
      let name = token.text.lowercased()
      let next = index + 1 < tokens.count ? tokens[index + 1] : nil
      if searches, token.kind == .text, let reason = refusal(Array(token.text.utf8)) { return reason }
      if token.kind == .word, name == "match" {
        let isPlain = next?.kind == .text || next.map { ["?", ":", "@", "$"].contains($0.text) } == true
        let behind = tokens.dropFirst(index + 2).first { $0.kind == .symbol || $0.kind == .text }
        guard isPlain, behind.map({ !["|", "-", "+"].contains($0.text) }) ?? true else {
          return "a search stands behind MATCH as a text or a parameter; join its parts in Lua"
        }
      } else if token.kind != .text, tables.contains(name) {
        let before = index > 0 ? tokens[index - 1].text.lowercased() : ""
        if before != "into", before == "=" || ["=", "(", "in", "is"].contains(next?.text.lowercased() ?? "") {
          return "a full-text table is searched by MATCH, not by a comparison or a call"
        }
      }
    }
    guard searches else { return nil }
    for cell in arguments.cells where cell.kind == .text || cell.kind == .blob {
      let part = cell.part
      if let reason = refusal(Array(arguments.bytes[Int(part.start)..<Int(part.end)])) { return reason }
    }
    return nil
  }

  private static func refusal(_ search: [UInt8]) -> String? {
    if search.count > Limits.searchBytesMax {
      return "a statement that searches takes texts of at most \(Limits.searchBytesMax) bytes"
    }
    return String(decoding: search, as: UTF8.self).contains("NEAR") ? "NEAR is not offered here" : nil
  }
}
