/// One problem, told so that a person can act on it: every room makes these, one renderer prints them.
public struct Diagnostic: Error, Sendable, Hashable, Codable {
  public enum Severity: String, Sendable, Hashable, Codable {
    case error, warning, note
  }

  public var severity: Severity
  /// A code that `explain` knows, such as `E0301`.
  public var code: String
  /// One line: what is wrong, the rule first, then the values.
  public var title: String
  public var place: SourcePlace?
  /// Lines below the excerpt: `event`, `note`, `state`, `help` and their texts, in order.
  public var details: [Detail]

  public struct Detail: Sendable, Hashable, Codable {
    public var label: String
    public var text: String
    public init(_ label: String, _ text: String) {
      self.label = label
      self.text = text
    }
  }

  public init(
    _ severity: Severity = .error, code: String, _ title: String, at place: SourcePlace? = nil,
    details: [Detail] = []
  ) {
    self.severity = severity
    self.code = code
    self.title = title
    self.place = place
    self.details = details
  }

  /// The same with one more line below.
  public func adding(_ label: String, _ text: String) -> Diagnostic {
    var copy = self
    copy.details.append(Detail(label, text))
    return copy
  }
}

/// For programs that embed Moontide and print an error as it is; the command line has a renderer of its own.
extension Diagnostic: CustomStringConvertible {
  public var description: String {
    var lines = ["\(severity.rawValue)[\(code)]: \(title)"]
    if let place { lines.append("  --> \(place.file):\(place.line)" + (place.column.map { ":\($0)" } ?? "")) }
    for detail in details { lines.append("   = \(detail.label): \(detail.text)") }
    return lines.joined(separator: "\n")
  }
}

/// A place in a file, with what to point at.
public struct SourcePlace: Sendable, Hashable, Codable {
  /// Relative to the project where it lies in it.
  public var file: String
  /// From 1.
  public var line: Int
  /// In characters from 1, or nil when only the line is known.
  public var column: Int?
  /// How many characters to underline, at least 1.
  public var width: Int
  /// What to write beside the underline, such as `nil here`.
  public var label: String
  /// The text of the line, if it is at hand.
  public var excerpt: String?
  public init(
    file: String, line: Int, column: Int? = nil, width: Int = 1, label: String = "", excerpt: String? = nil
  ) {
    self.file = file
    self.line = line
    self.column = column
    self.width = width
    self.label = label
    self.excerpt = excerpt
  }
}
