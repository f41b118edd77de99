import MoontideCore

/// The values of the environment that effects may refer to, and the one place that takes them out of whatever
/// comes back. Made once; any thread.
public struct SecretVault: Sendable {
  private let values: [String: String]
  /// What must not be seen, longest first, so that a value within another one is not what is left of it.
  private let patterns: [SecretPattern]
  /// By byte: those that can begin with it.
  private let beginning: [[SecretPattern]]
  /// The most bytes in which one of them can be written: so far behind its end a text must reach for
  /// `redacted` to see every value in it.
  public let reach: Int

  /// - Parameters:
  ///   - names: those that the settings allow.
  ///   - value: of a variable of the process; nil when it is not set.
  public init(_ names: [String], _ value: (String) -> String?) {
    var values: [String: String] = [:]
    var patterns: Set<SecretPattern> = []
    for name in names {
      guard let text = value(name), text.utf8.count <= Limits.secretBytesMax else { continue }
      values[name] = text
      let shown = Array("${\(name)}".utf8)
      for text in SecretForms(of: text).texts { patterns.insert(SecretPattern(text, shown: shown)) }
    }
    self.values = values
    let sorted = patterns.sorted {
      ($1.count, $0.shown.count) < ($0.count, $1.shown.count)
    }
    self.patterns = sorted
    beginning = (0...255).map { byte in sorted.filter { $0.beginnings.contains(byte) } }
    reach = sorted.map(\.reach).max() ?? 0
  }

  public subscript(_ name: String) -> String? { values[name] }

  /// What may be shown of the first `limit` bytes.
  /// - Parameter isCut: whether the bytes end where something was cut off: then the beginning of a value is
  ///   taken for it there.
  public func redacted(_ bytes: [UInt8], upTo limit: Int = .max, isCut: Bool = false) -> [UInt8] {
    let end = min(limit, bytes.count)
    if patterns.isEmpty { return Array(bytes[..<end]) }
    let least = isCut ? Limits.secretBytesMin : nil
    var out: [UInt8] = []
    out.reserveCapacity(end)
    var at = 0
    while at < end {
      if let found = find(bytes, at, least) {
        out += found.shown
        at = found.end
      } else {
        out.append(bytes[at])
        at += 1
      }
    }
    return out
  }

  private func find(_ bytes: [UInt8], _ at: Int, _ least: Int?) -> (end: Int, shown: [UInt8])? {
    for pattern in beginning[Int(bytes[at])] {
      if let end = pattern.end(in: bytes, from: at, least: least) { return (end, pattern.shown) }
    }
    return nil
  }

  public func redacted(_ text: String, isCut: Bool = false) -> String {
    String(decoding: redacted(Array(text.utf8), isCut: isCut), as: UTF8.self)
  }
}
