import MoontideCore

/// Dead letters of one fault: one handler, one code, one place in its script. Its name stays the same while
/// the fault does.
enum FaultGroup {
  /// `g-` and eight digits.
  /// - Parameter spot: the place in the script; the error where none is known; of a quarantined line its
  ///   file.
  static func name(handler: String, code: String, spot: String) -> String {
    "g-" + String(Digest.zero.adding(handler).adding(code).adding(spot).description.prefix(8))
  }

  static func name(handler: String, _ letter: DeadLetter) -> String {
    let spot = letter.line > 0 ? "\(letter.file):\(letter.line)" : letter.message
    return name(handler: handler, code: letter.code, spot: spot)
  }
}
