import MoontideCore
import MoontideJSON

/// `ctx.effect("log", { file, text | json, about })`: one line at the end of a file below the project.
public struct LogRequest: Sendable, Hashable {
  /// Relative to the project.
  public var file: String
  /// Without its newline.
  public var line: [UInt8]

  static let fields = ["file", "text", "json", "about"]
  /// Folders whose files mean something to moontide: a line there would be an event, a script or damage.
  private static let taken = ["events", "commands", "handlers", "lib", "queries", "schemas", "tests", "data"]

  /// - Parameter bytes: the request as JSON: as it is shown, or with its values.
  public init(_ bytes: [UInt8]) throws(EffectRefusal) {
    let fields = try EffectFields(.log, try EffectRequest.value(bytes, .log), allowed: Self.fields)
    file = try fields.needed("file", "\"logs/orders.log\"")
    let parts = file.split(separator: "/", omittingEmptySubsequences: false)
    let isPlain = parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") }
    guard isPlain, file.utf8.count <= 512, file.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
      throw EffectRefusal("log: 'file' is a path below the project such as \"logs/orders.log\"")
    }
    if Self.taken.contains(String(parts[0])) || file == "moontide.lua" {
      throw EffectRefusal("log: \(parts[0]) is moontide's own; choose another place such as \"logs/\(file)\"")
    }
    if fields["json"] != nil, let part = JSONFields.value("json", bytes, bytes.whole) {
      if fields["text"] != nil { throw EffectRefusal("log has 'json' or 'text', not both") }
      line = Array(bytes[part.indices])
    } else {
      guard let text = try fields.text("text") else {
        throw EffectRefusal("log needs 'text' or 'json': the line that is written")
      }
      guard !text.utf8.contains(0x0a), !text.utf8.contains(0x0d) else {
        throw EffectRefusal("log: 'text' is one line, without line breaks")
      }
      line = Array(text.utf8)
    }
  }
}
