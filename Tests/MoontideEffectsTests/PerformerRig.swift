import Foundation
import MoontideCore
import MoontideRuntime
import Synchronization
import Testing

@testable import MoontideEffects

/// A performer over a folder of its own, driven by the thread of the test.
final class PerformerRig {
  let root: String
  let performer: SystemPerformer
  private let ended = Ended()

  private final class Ended: Sendable {
    let outcomes = Mutex<[String: EffectOutcome]>([:])
  }

  init(
    programs: [String: String] = [:], environment: [String: String] = [:], variables: [String] = []
  ) throws {
    root = NSTemporaryDirectory() + "moontide-effects-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    var rules = EffectRules()
    rules.programs = programs
    rules.environment = environment.keys.sorted()
    performer = try SystemPerformer(
      .init(
        root: root, rules: rules, vault: SecretVault(rules.environment) { environment[$0] },
        variables: variables))
  }

  deinit {
    do { try FileManager.default.removeItem(atPath: root) } catch { print("cannot remove \(root): \(error)") }
  }

  /// A program below the root.
  func script(_ name: String, _ text: String) throws {
    let path = "\(root)/\(name)"
    try Data("#!/bin/sh\n\(text)\n".utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
  }

  func text(of file: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: "\(root)/\(file)")), as: UTF8.self)
  }

  /// Begins; `<NAME>` in the request is a reference.
  func begin(_ key: String, _ kind: EffectKind, _ request: String) {
    let bytes = Array(request.utf8).map {
      $0 == UInt8(ascii: "<") ? 0xFF : $0 == UInt8(ascii: ">") ? 0xFE : $0
    }
    let job = EffectJob(key: key, kind: kind, request: EffectTemplate(bytes))
    let taken = performer.begin(job) { [ended] outcome in
      ended.outcomes.withLock { $0[key] = outcome }
    }
    #expect(taken)
  }

  /// The outcome of one, once it is there; nil after a minute.
  func outcome(_ key: String) throws -> EffectOutcome {
    for _ in 0..<600 {
      if let outcome = ended.outcomes.withLock({ $0[key] }) { return outcome }
      performer.wait(for: .milliseconds(100))
    }
    throw Missing(key: key)
  }

  func perform(_ kind: EffectKind, _ request: String, key: String = "c-1") throws -> EffectOutcome {
    ended.outcomes.withLock { _ = $0.removeValue(forKey: key) }
    begin(key, kind, request)
    return try outcome(key)
  }

  struct Missing: Error { var key: String }
}

extension EffectOutcome {
  var text: String { String(decoding: response, as: UTF8.self) }
}
