import CEffects
import MoontideCore
import MoontideRuntime

/// Hands requests to C, which copies all of them.
enum NativeCall {
  /// The header by which a server tells a repetition:
  /// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>
  static let keyHeader = "Idempotency-Key"
  /// The variable by which a program does.
  static let keyVariable = "MOONTIDE_IDEMPOTENCY_KEY"

  static func http(
    _ request: HTTPRequest, key: String, _ ticket: UInt64, _ effects: OpaquePointer
  ) throws(EffectRefusal) {
    // A header without a value is written with a semicolon, else libcurl leaves it out.
    let headers =
      request.headers.map { header in
        let isBlank = header.value.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 }
        return isBlank ? "\(header.name);" : "\(header.name): \(header.value)"
      } + ["\(keyHeader): \(key)"]
    let isBegun = request.method.withCString { method in
      request.url.withCString { url in
        withTexts(headers) { headers in
          request.body.withUnsafeBufferPointer { body in
            var native = mt_http_request()
            native.method = method
            native.url = url
            native.headers = headers.baseAddress
            native.header_count = headers.count - 1
            native.body = body.isEmpty ? nil : body.baseAddress
            native.body_count = body.count
            native.timeout_milliseconds = milliseconds(request.timeout)
            return mt_effects_http(effects, ticket, &native)
          }
        }
      }
    }
    if isBegun == 0 { throw EffectRefusal("there is no memory for a request") }
  }

  static func exec(
    _ request: ExecRequest, key: String, _ ticket: UInt64, _ effects: OpaquePointer,
    _ setting: SystemPerformer.Setting
  ) throws(EffectRefusal) {
    guard let place = setting.rules.programs[request.program] else {
      throw EffectRefusal("exec: the settings name no program \"\(request.program)\"")
    }
    let path = place.hasPrefix("/") ? place : "\(setting.root)/\(place)"
    let given = request.variables.map { "\($0.name)=\($0.value)" }
    let names = Set(request.variables.map(\.name))
    let common = setting.variables.filter { !names.contains(String($0.prefix { $0 != "=" })) }
    let isBegun = path.withCString { path in
      setting.root.withCString { root in
        withTexts([request.program] + request.arguments) { arguments in
          withTexts(common + given + ["\(keyVariable)=\(key)"]) { variables in
            request.input.withUnsafeBufferPointer { input in
              var native = mt_exec_request()
              native.path = path
              native.directory = root
              native.arguments = arguments.baseAddress
              native.variables = variables.baseAddress
              native.input = input.baseAddress
              native.input_count = input.count
              native.timeout_milliseconds = milliseconds(request.timeout)
              return mt_effects_exec(effects, ticket, &native)
            }
          }
        }
      }
    }
    if isBegun == 0 { throw EffectRefusal("there is no memory for a program") }
  }

  private static func milliseconds(_ duration: Duration) -> Int64 {
    max(1, Int64(duration / .milliseconds(1)))
  }

  /// The texts as C has them, ended by a null pointer.
  private static func withTexts<R>(
    _ texts: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> R
  ) -> R {
    var bytes: [CChar] = []
    var starts: [Int] = []
    for text in texts {
      starts.append(bytes.count)
      bytes += text.utf8.map { CChar(bitPattern: $0) }
      bytes.append(0)
    }
    return bytes.withUnsafeBufferPointer { bytes in
      let pointers = starts.map { bytes.baseAddress?.advanced(by: $0) } + [nil]
      return pointers.withUnsafeBufferPointer(body)
    }
  }
}
