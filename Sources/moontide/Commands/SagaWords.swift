import ArgumentParser
import MoontideCore
import MoontideHost

/// The words behind `saga show` and its like: the project where a folder is named, the saga where more than a
/// correlation value follows, and correlation values.
struct SagaWords {
  var directory: String?
  var saga: String?
  var keys: [String] = []

  /// - Parameters:
  ///   - all: nothing is named, all are meant.
  ///   - isNameAlone: the saga is all that is named.
  init(_ words: [String], _ options: GlobalOptions, all: Bool = false, isNameAlone: Bool = false) throws {
    var rest = words[...]
    if options.directory == nil, let first = rest.first,
      try SystemSurroundings.files.status(first)?.isDirectory == true
    {
      directory = first
      rest = rest.dropFirst()
    }
    if isNameAlone || all {
      saga = rest.popFirst()
      if let more = rest.first { throw ValidationError("nothing is named behind the saga, unlike \(more)") }
      return
    }
    if rest.count > 1 { saga = rest.popFirst() }
    keys = Array(rest)
    if keys.isEmpty {
      throw ValidationError("say which instance is meant: the saga, then its correlation value")
    }
  }
}
