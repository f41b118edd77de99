import ArgumentParser
import MoontideCore
import MoontideHost

/// The words of a command line before they are parsed: what the parser would take for something else.
struct CommandWords {
  /// What is to be parsed.
  let words: [String]

  /// A statement that begins with a comment, `-- title`, is no option: it gets a space before it. A project
  /// that is named before the command is named behind it, where the parser looks for it.
  init(_ words: [String]) {
    let words = words.map { word in
      word.hasPrefix("--") && word.dropFirst(2).first?.isWhitespace == true ? " " + word : word
    }
    let named = CommandWords.project(in: words)
    let rest = words.dropFirst(named)
    guard named > 0, let first = rest.first, !first.hasPrefix("-") else {
      self.words = words
      return
    }
    let inner = CommandWords.inner(of: first)
    let isInner = rest.dropFirst().first.map(inner.contains) ?? false
    let commands = isInner ? 2 : 1
    self.words = Array(rest.prefix(commands) + words.prefix(named) + rest.dropFirst(commands))
  }

  /// How many words at the beginning name a project: `-C DIR`, `-CDIR`, `--directory DIR`, `--directory=DIR`.
  private static func project(in words: [String]) -> Int {
    guard let first = words.first else { return 0 }
    if first == "-C" || first == "--directory" { return min(2, words.count) }
    return first.hasPrefix("-C") || first.hasPrefix("--directory=") ? 1 : 0
  }

  private static func inner(of command: String) -> [String] {
    let found = Moontide.configuration.subcommands.first { $0.configuration.commandName == command }
    return found?.configuration.subcommands.compactMap { $0.configuration.commandName } ?? []
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
    let inner = CommandWords.inner(of: first)
    guard !inner.isEmpty, words.count > 1, !words[1].hasPrefix("-"), words[1] != "help",
      !inner.contains(words[1])
    else { return nil }
    if command.configuration.defaultSubcommand == nil {
      return unknown(
        "command", "\(first) \(words[1])", last: words[1], among: inner, list: "moontide help \(first)")
    }
    // The word may be a project for the default subcommand.
    if isThere(words[1]) { return nil }
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
