import MoontideCore
import MoontideJSON

/// Reads the table that a script gave to `ctx.effect` field by field. Used twice: when it is called, on the
/// request as people see it, and when it is performed, on the request with its values.
struct EffectFields {
  let kind: EffectKind
  private let members: [JSONValue.Member]

  /// - Throws: for a field that the kind does not have.
  init(_ kind: EffectKind, _ value: JSONValue, allowed: [String]) throws(EffectRefusal) {
    self.kind = kind
    switch value {
    case .object(let members): self.members = members
    default: throw EffectRefusal("\(kind.rawValue): the request is a table with named fields")
    }
    for member in members where !allowed.contains(member.name) {
      let near = Suggestion.nearest(to: member.name, among: allowed)
      throw EffectRefusal(
        "\(kind.rawValue) has no field '\(member.name)'"
          + (near.map { "; did you mean '\($0)'?" } ?? "; it has \(allowed.joined(separator: ", "))"))
    }
  }

  subscript(_ name: String) -> JSONValue? {
    guard let value = members.first(where: { $0.name == name })?.value, value != .null else { return nil }
    return value
  }

  func wrong(_ name: String, _ wanted: String) -> EffectRefusal {
    EffectRefusal("\(kind.rawValue): '\(name)' is \(wanted)")
  }

  /// A text, a number or a truth value as text; nil when it is not given.
  func text(_ name: String) throws(EffectRefusal) -> String? {
    guard let value = self[name] else { return nil }
    guard let text = Self.text(value) else { throw wrong(name, "a text") }
    return text
  }

  func needed(_ name: String, _ example: String) throws(EffectRefusal) -> String {
    guard let text = try text(name), !text.isEmpty else {
      throw EffectRefusal("\(kind.rawValue) needs '\(name)', such as \(example)")
    }
    return text
  }

  func duration(_ name: String, upTo longest: Duration) throws(EffectRefusal) -> Duration? {
    guard let value = self[name] else { return nil }
    guard let text = value.text, let duration = DurationText.parse(text), duration > .zero,
      duration <= longest
    else { throw wrong(name, "a duration such as \"10s\", at most \"\(DurationText.text(longest))\"") }
    return duration
  }

  /// A list of texts; an empty table is an empty list.
  func list(_ name: String, limit: Int) throws(EffectRefusal) -> [String] {
    guard let value = self[name], value != .object([]) else { return [] }
    guard case .array(let values) = value, values.count <= limit else {
      throw wrong(name, "a list of at most \(limit) texts")
    }
    var list: [String] = []
    for value in values {
      guard let text = Self.text(value) else { throw wrong(name, "a list of texts") }
      list.append(text)
    }
    return list
  }

  /// A table of texts by name.
  func table(_ name: String, limit: Int) throws(EffectRefusal) -> [(name: String, value: String)] {
    guard let value = self[name] else { return [] }
    guard case .object(let members) = value, members.count <= limit else {
      throw wrong(name, "a table of at most \(limit) texts by name")
    }
    var table: [(name: String, value: String)] = []
    for member in members {
      guard let text = Self.text(member.value) else {
        throw wrong("\(name).\(member.name)", "a text")
      }
      table.append((member.name, text))
    }
    return table
  }

  private static func text(_ value: JSONValue) -> String? {
    switch value {
    case .string(let text): text
    case .integer(let number): String(number)
    case .number(let number): number.description
    case .boolean(let flag): flag ? "true" : "false"
    case .null, .array, .object: nil
    }
  }
}
