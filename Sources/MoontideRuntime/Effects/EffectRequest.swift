public import MoontideCore
import MoontideJSON

/// A checked request of any kind.
public enum EffectRequest: Sendable, Hashable {
  case http(HTTPRequest)
  case exec(ExecRequest)
  case log(LogRequest)

  /// - Parameter bytes: the request as JSON: as it is shown, or with its values.
  public init(_ kind: EffectKind, _ bytes: [UInt8], rules: EffectRules) throws(EffectRefusal) {
    switch kind {
    case .http: self = .http(try HTTPRequest(bytes))
    case .exec: self = .exec(try ExecRequest(bytes, rules: rules))
    case .log: self = .log(try LogRequest(bytes))
    }
  }

  /// Whom it goes to, as `LedgerEffect.target`; of a request as it is shown.
  public var target: String {
    switch self {
    case .http(let request): request.target
    case .exec(let request): request.program
    case .log(let request): request.file
    }
  }

  static func value(_ bytes: [UInt8], _ kind: EffectKind) throws(EffectRefusal) -> JSONValue {
    do throws(EnvelopeFault) { return try JSONValue(parsing: bytes) } catch {
      throw EffectRefusal("\(kind.rawValue): \(error.reason)")
    }
  }

  /// What a script hands through to its `on_result`, as JSON; nil when it gave nothing.
  static func about(_ shown: [UInt8]) -> [UInt8]? {
    JSONFields.value("about", shown, shown.whole).map { Array(shown[$0.indices]) }
  }
}
