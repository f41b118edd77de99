import MoontideCore
import MoontideJSON

/// `ctx.effect("exec", { program, args, stdin | json, env, timeout, about })`: one run of a program that the
/// settings name. No shell, nothing of moontide's environment but `PATH`, `HOME` and `LANG`.
public struct ExecRequest: Sendable, Hashable {
  public struct Variable: Sendable, Hashable {
    public var name: String
    public var value: String
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The name in the settings.
  public var program: String
  /// Behind the program itself.
  public var arguments: [String]
  public var input: [UInt8]
  public var variables: [Variable]
  public var timeout: Duration

  static let fields = ["program", "args", "stdin", "json", "env", "timeout", "about"]

  /// - Parameter bytes: the request as JSON: as it is shown, or with its values.
  public init(_ bytes: [UInt8], rules: EffectRules) throws(EffectRefusal) {
    let fields = try EffectFields(.exec, try EffectRequest.value(bytes, .exec), allowed: Self.fields)
    program = try fields.needed("program", "\"mailer\"")
    guard rules.programs[program] != nil else {
      let known = rules.programs.keys.sorted()
      let near = Suggestion.nearest(to: program, among: known)
      throw EffectRefusal(
        "exec: the settings name no program \"\(program)\""
          + (near.map { "; did you mean \"\($0)\"?" }
            ?? ": moontide.lua allows programs by name, programs = { \(program) = \"/usr/bin/…\" }"))
    }
    arguments = try fields.list("args", limit: Limits.effectArgumentsMax)
    if fields["json"] != nil, let part = JSONFields.value("json", bytes, bytes.whole) {
      if fields["stdin"] != nil { throw EffectRefusal("exec has 'json' or 'stdin', not both") }
      input = Array(bytes[part.indices]) + [UInt8(ascii: "\n")]
    } else {
      input = Array((try fields.text("stdin") ?? "").utf8)
    }
    variables = []
    for (name, value) in try fields.table("env", limit: Limits.effectHeadersMax) {
      guard EnvironmentName.isOne(name) else {
        throw EffectRefusal("exec: \"\(name)\" is not the name of an environment variable")
      }
      // The first would have the key told apart from the one in the ledger, the others load code that no
      // settings allow.
      guard !["MOONTIDE_", "LD_"].contains(where: name.hasPrefix) else {
        throw EffectRefusal(
          "exec: the variable \(name) is not a script's to set: it belongs to "
            + (name.hasPrefix("LD_") ? "the system's loader" : "moontide"))
      }
      variables.append(Variable(name, value))
    }
    for text in arguments + variables.map(\.value) where text.utf8.contains(0) {
      throw EffectRefusal("exec: an argument and a variable hold no NUL byte")
    }
    timeout = try fields.duration("timeout", upTo: Limits.effectTimeMax) ?? Limits.effectTimeDefault
  }
}

/// Names of environment variables, as POSIX has them: letters, digits and `_`, no digit first.
enum EnvironmentName {
  static func isOne(_ name: String) -> Bool {
    guard let first = name.utf8.first, name.utf8.count <= 128, first &- UInt8(ascii: "0") >= 10 else {
      return false
    }
    return name.utf8.allSatisfy {
      $0 == UInt8(ascii: "_") || ($0 | 0x20) &- UInt8(ascii: "a") < 26 || $0 &- UInt8(ascii: "0") < 10
    }
  }
}
