import MoontideCore
import MoontideJSON

/// The request of an effect: JSON in whose texts references to the environment are holes, written as the byte
/// 0xFF, the name of the variable, and the byte 0xFE. No text of UTF-8 has these bytes, so nothing that a
/// script writes can be taken for a hole, and the ledger holds names where a secret belongs.
public struct EffectTemplate: Sendable, Hashable {
  public let bytes: [UInt8]

  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  static let holeBegins: UInt8 = 0xFF
  static let holeEnds: UInt8 = 0xFE

  /// The variables that it refers to.
  public var names: Set<String> {
    var names: Set<String> = []
    _ = filled { name in
      names.insert(name)
      return []
    }
    return names
  }

  /// As JSON for people: `${NAME}` where a value belongs.
  public var shown: [UInt8] { filled { Array("${\($0)}".utf8) } }

  /// As JSON with the values; throws what a person has to set.
  /// - Parameter value: of a variable; nil when it is not set.
  public func resolved(_ value: (String) -> String?) throws(EffectRefusal) -> [UInt8] {
    var missing: Set<String> = []
    let bytes = filled { name in
      guard let value = value(name) else {
        missing.insert(name)
        return []
      }
      var text: [UInt8] = []
      JSONWriter.appendString(value, to: &text)
      return Array(text.dropFirst().dropLast())
    }
    if missing.isEmpty { return bytes }
    let names = missing.sorted().joined(separator: " and ")
    throw EffectRefusal(
      missing.count == 1
        ? "the environment variable \(names) is not set where moontide runs"
        : "the environment variables \(names) are not set where moontide runs")
  }

  private func filled(_ text: (String) -> [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var at = 0
    while at < bytes.count {
      guard bytes[at] == Self.holeBegins,
        let end = bytes[at...].firstIndex(of: Self.holeEnds)
      else {
        out.append(bytes[at])
        at += 1
        continue
      }
      out += text(String(decoding: bytes[at + 1..<end], as: UTF8.self))
      at = end + 1
    }
    return out
  }
}

/// Why a request cannot be performed, however often it is tried; without secrets.
public struct EffectRefusal: Error, Sendable, Hashable {
  public var text: String
  public init(_ text: String) { self.text = text }
}
