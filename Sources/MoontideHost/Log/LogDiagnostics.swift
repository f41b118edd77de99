import MoontideCore

extension LogError {
  /// Runs `body` and tells a failure as a diagnostic.
  static func told<T>(_ body: () throws(LogError) -> T) throws(Diagnostic) -> T {
    do throws(LogError) { return try body() } catch { throw error.diagnostic }
  }

  /// The same for a person.
  var diagnostic: Diagnostic {
    switch self {
    case .file(let error): error.diagnostic
    case .readOnly(let reason):
      Diagnostic(.logReadOnly, "the log takes no more: \(reason)")
    case .damaged(let file, let byteOffset, let reason):
      Diagnostic(.logDamaged, "\(file) is damaged at byte \(byteOffset): \(reason)")
    case .unsupportedFormat(let file, let version, let supported):
      Diagnostic(
        .logFormat, "\(file) has format \(version); this moontide reads up to \(supported)")
    case .lostTopic(let id, let file, let byteOffset):
      Diagnostic(
        .logDamaged,
        "the declaration of topic \(id.value) is lost; \(file) has events of it at byte \(byteOffset)",
        help: "name it as it was: moontide events repair --topic \(id.value)=NAME/PARTITIONS")
    case .partitionCount(let topic, let has, let asked):
      Diagnostic(
        .partitions, "topic \(topic) was made with \(has) partitions, and moontide.lua asks for \(asked)")
    case .tooManyTopics(let limit):
      Diagnostic(.tooMuch, "a log has at most \(limit) topics")
    case .tooLarge(let what, let bytes, let limit):
      Diagnostic(.tooMuch, "\(what) has at most \(limit) bytes, not \(bytes)")
    case .sequenceGap(let producer, let expected, let got):
      Diagnostic(
        .sequenceGap, "producer \(producer) goes on at \(expected), not at \(got)")
    }
  }
}
