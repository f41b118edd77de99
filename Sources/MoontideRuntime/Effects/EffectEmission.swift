import MoontideCore
import MoontideLua

/// Makes the entry of the ledger for what a handler asks for by `ctx.effect`, and refuses what cannot be
/// performed. `ordinal` counts the effects of the cause.
extension Emission {
  /// - Parameters:
  ///   - kind: as the script wrote it.
  ///   - request: JSON with holes.
  func effect(_ kind: String, _ request: [UInt8], rules: EffectRules) throws(HostRefusal) -> LedgerEffect {
    guard let known = EffectKind(rawValue: kind) else {
      let names = EffectKind.allCases.map(\.rawValue)
      let near = Suggestion.nearest(to: kind, among: names).map { "; did you mean \"\($0)\"?" }
      throw Self.refused(
        "an effect is one of \(names.joined(separator: ", ")), not \"\(kind)\"" + (near ?? ""))
    }
    guard ordinal < Limits.effectsPerEventMax else {
      throw HostRefusal(
        code: RuntimeCode.effectTooMany.rawValue,
        message: "one event has at most \(Limits.effectsPerEventMax) effects")
    }
    guard request.count <= Limits.effectRequestBytesMax else {
      throw Self.refused(
        "the request of an effect has at most \(Limits.effectRequestBytesMax) bytes, not \(request.count)")
    }
    let template = EffectTemplate(request)
    if known == .log, let name = template.names.min() {
      throw Self.refused(
        "log: a line is kept in a file, and ctx.env.\(name) is stored nowhere: leave it out")
    }
    let checked: EffectRequest
    do throws(EffectRefusal) {
      checked = try EffectRequest(known, template.shown, rules: rules)
    } catch {
      throw Self.refused(error.text)
    }
    return LedgerEffect(
      key: effectKey, kind: known, target: checked.target, request: request, topic: topic,
      orderKey: Array(batch.bytes[cause.envelope.key.indices]), cause: cause.position,
      meta: try meta(Array("{\"topic\":\"\(topic)\"}".utf8)))
  }

  /// The same for the same cause and ordinal, whatever the script says by then.
  private var effectKey: String {
    let digest = Digest.zero.adding("effect").adding(maker).adding(topic.text)
      .adding(batch.bytes, cause.envelope.source).adding(batch.bytes, cause.envelope.id)
      .adding(UInt64(ordinal))
    return "\(maker)-\(digest)"
  }

  private static func refused(_ message: String) -> HostRefusal {
    HostRefusal(code: RuntimeCode.effectRefused.rawValue, message: message)
  }
}

extension EffectRules {
  /// Refuses a name that effects may not refer to by `ctx.env`.
  func allow(_ name: String) throws(HostRefusal) {
    if environment.contains(name) { return }
    let near = Suggestion.nearest(to: name, among: environment).map { "; did you mean ctx.env.\($0)?" }
    throw HostRefusal(
      code: RuntimeCode.effectRefused.rawValue,
      message: "the settings allow no environment variable \(name)"
        + (near ?? ": moontide.lua names those that effects may refer to, env = { \"\(name)\" }"))
  }
}
