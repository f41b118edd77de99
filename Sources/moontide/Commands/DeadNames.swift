import ArgumentParser

/// The words behind `dead retry` and its like: the project, if it is named there, then what is meant.
struct DeadNames {
  var directory: String?
  /// Ids, groups, names of handlers.
  var names: [String]

  /// The first word is the project when `-C` does not name one and either more words follow that say what is
  /// meant, or `--all` does.
  init(_ words: [String], _ options: GlobalOptions, all: Bool) throws {
    names = words
    let isName = words.first.map { $0.hasPrefix("d-") || $0.hasPrefix("g-") } ?? true
    if options.directory == nil, !isName, words.count > 1 || all { directory = names.removeFirst() }
    if all == names.isEmpty { return }
    throw ValidationError(
      all
        ? "--all means all of them: nothing is named beside it"
        : "say what is meant: an id (d-48211; d-48211@receipts of one handler), a group (g-… of dead ls), "
          + "a handler's name, or --all"
    )
  }
}
