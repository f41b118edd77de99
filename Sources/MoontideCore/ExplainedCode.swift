/// A code that errors carry (`E0301`) and `moontide explain` tells about. Every room has one enum of them:
///
///     public enum EnvelopeRule: String, ExplainedCode {
///       case notJSON = "E0201"
///       public var title: String { … }
///
/// E01xx loading scripts · E02xx input · E03xx handlers · E04xx read models and queries · E05xx the log ·
/// E06xx the project, its settings and the command line.
public protocol ExplainedCode: Sendable, Hashable, CaseIterable {
  /// `E` and four digits; unique over all rooms, never given a second meaning.
  var code: String { get }
  /// The rule that was broken, in one line, without a full stop.
  var title: String { get }
  /// What it means and what happened to the event or file: one paragraph or several, parted by empty lines.
  var meaning: String { get }
  /// What to do next, with the commands.
  var mend: String { get }
}

extension ExplainedCode where Self: RawRepresentable, RawValue == String {
  public var code: String { rawValue }
}
