public import MoontideCore
import MoontideJSON

/// The data of one event as a person gives it, before it stands in the line of an event.
public enum GivenJSON {
  /// The same bytes when they are one JSON value. Throws what is wrong with them; places are counted in
  /// them, not in the line that they will stand in, and what closes the data early cannot become fields of
  /// the envelope.
  public static func checked(_ bytes: [UInt8]) throws(Diagnostic) -> [UInt8] {
    do throws(EnvelopeFault) { try JSONValidator().validate(bytes) } catch {
      let line = "a line must"
      let reason =
        error.reason.hasPrefix(line)
        ? "data must" + error.reason.dropFirst(line.utf8.count) : error.reason
      throw Diagnostic(
        code: error.code, reason,
        details: [.init("state", "nothing was published"), .init("help", "moontide explain \(error.code)")])
    }
    return bytes
  }
}
