/// Colours text by its part in the output, or leaves it as it is.
struct Ink: Sendable {
  /// What a piece of text is, not how it looks.
  enum Role: String, Sendable {
    case error = "1;31"
    case warning = "1;33"
    case note = "1;36"
    case strong = "1"
    case frame = "34"
    case dim = "2"
  }

  var colors: Bool

  func callAsFunction(_ role: Role, _ text: String) -> String {
    colors && !text.isEmpty ? "\u{1b}[\(role.rawValue)m\(text)\u{1b}[0m" : text
  }
}
