import ArgumentParser
import MoontideCore
import MoontideHost

/// The words of a command line before they are parsed: what the parser would take for something else.
struct CommandWords {
  /// What is to be parsed.
  let words: [String]

  /// Subcommands of `dead` that a later version brings.
  private static let deadLater = ["retry", "edit", "skip", "export"]

  /// A statement that begins with a comment, `-- title`, is no option: it gets a space before it.
  init(_ words: [String]) {
    self.words = words.map { word in
      word.hasPrefix("--") && word.dropFirst(2).first?.isWhitespace == true ? " " + word : word
    }
  }

  /// Why these words are no command, with what was probably meant; nil when the parser may have them.
  var problem: String? {
    guard let first = words.first, !first.hasPrefix("-") else { return nil }
    let commands = Moontide.configuration.subcommands
    guard let command = commands.first(where: { $0.configuration.commandName == first }) else {
      if first == "help" || first.hasPrefix("__") { return nil }
      let shown = commands.filter { $0.configuration.shouldDisplay }.compactMap {
        $0.configuration.commandName
      }
      return unknown("command", first, among: shown + ["help"], list: "moontide help")
    }
    let inner = command.configuration.subcommands.compactMap { $0.configuration.commandName }
    guard !inner.isEmpty, words.count > 1, !words[1].hasPrefix("-"), words[1] != "help",
      !inner.contains(words[1])
    else { return nil }
    if command.configuration.defaultSubcommand == nil {
      return unknown(
        "command", "\(first) \(words[1])", last: words[1], among: inner, list: "moontide help \(first)")
    }
    // The word may be a project for the default subcommand.
    if isThere(words[1]) { return nil }
    if first == "dead", CommandWords.deadLater.contains(words[1]) {
      return "dead \(words[1]) comes in a later version; until then mend the script or the line and run again"
    }
    guard Suggestion.nearest(to: words[1], among: inner) != nil else { return nil }
    return unknown(
      "command", "\(first) \(words[1])", last: words[1], among: inner, list: "moontide help \(first)")
  }

  private func isThere(_ path: String) -> Bool {
    do throws(FileError) { return try SystemSurroundings.files.status(path) != nil } catch {
      // Something is there that may not be looked at; the command will say so.
      return true
    }
  }

  private func unknown(
    _ what: String, _ name: String, last: String? = nil, among names: [String], list: String
  ) -> String {
    let nearest = Suggestion.nearest(to: last ?? name, among: names)
    return "there is no \(what) \(name); "
      + (nearest.map { "did you mean \($0)?" } ?? "\(list) shows those that there are")
  }
}
