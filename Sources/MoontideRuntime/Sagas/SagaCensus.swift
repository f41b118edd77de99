public import MoontideCore

/// Counts the open instances of a saga that do not fit its script: those on steps that it no longer has in
/// that order, or with timers that it has no function for. What is done about them is the same for `check`,
/// for a run that starts, and for the saga's worker. Free of Lua; one thread.
public struct SagaCensus {
  private let saga: SagaDefinition
  private let coding: SagaCoding
  /// Open instances that do not fit.
  public private(set) var count = 0
  /// How many of those stand on each step, or, where they stand on none, are in each status.
  public private(set) var standing: [String: Int] = [:]
  /// Versions of the script by which those stand.
  public private(set) var versions: Set<String> = []
  /// Steps that were begun and are gone or stand elsewhere, and timers without a function.
  private var lacks: Set<String> = []
  private var first: [UInt8] = []

  public init(_ saga: SagaDefinition) {
    self.saga = saga
    coding = SagaCoding(saga)
  }

  /// Whether the open instance does not fit; it is counted then.
  @discardableResult public mutating func add(_ row: SagaRow) -> Bool {
    if row.hasEnded || coding.instance(row) != nil { return false }
    if count == 0 { first = row.key }
    count += 1
    versions.insert(row.scriptVersion)
    let steps = SagaCoding.steps(row) ?? []
    let stood = SagaMove(row, steps).step
    standing[stood.isEmpty ? "no step (\(row.status))" : "\"\(stood)\"", default: 0] += 1
    for step in misplaced(steps) { lacks.insert("the step \"\(step)\"") }
    for timer in coding.unknownTimers(row) { lacks.insert("the timer \"\(timer)\"") }
    return true
  }

  /// Begun steps that the script has not, or not in that order, and those to come that it has before them.
  private func misplaced(_ steps: [SagaStepState]) -> [String] {
    var places: [String: Int] = [:]
    for (index, step) in saga.plan.steps.enumerated() { places[step.name] = index }
    var last = -1
    var found: [String] = []
    for step in steps where step.phase != .idle {
      guard let place = places[step.name], place > last else {
        found.append(step.name)
        continue
      }
      last = place
    }
    let passed = steps.filter { $0.phase == .idle && places[$0.name] ?? .max < last }
    return found + passed.map(\.name)
  }

  /// Why the script cannot run beside them; nil when it can.
  /// - Parameter kept: versions whose sources are kept.
  public func refusal(kept: (String) -> Bool) -> Diagnostic? {
    if count == 0 || saga.migrates { return nil }
    guard saga.pins else { return misfit }
    let gone = versions.filter { !kept($0) }.sorted()
    if let version = gone.first {
      return refusal(
        "\(Counted.text(count, "open instance")) cannot end by their old code: script \(version) was not "
          + "kept, or does not load any more",
        help: "put the steps back until those instances have ended, or say "
          + "migrate = function(state, step) … return state, \"STEP\" end")
    }
    guard versions.count <= Limits.sagaPinnedVersionsMax else {
      return refusal(
        "open instances stand by \(versions.count) versions of the script, and at most "
          + "\(Limits.sagaPinnedVersionsMax) run beside today's",
        help: "let some of them end by putting the steps back, or say "
          + "migrate = function(state, step) … return state, \"STEP\" end")
    }
    return nil
  }

  private var misfit: Diagnostic {
    refusal(
      "\(Counted.text(count, "open instance")) \(count == 1 ? "stands" : "stand") on steps that the script "
        + "no longer has in that order",
      help: "put the steps back until those instances have ended · or say migrate = function(state, step) "
        + "… return state, \"STEP\" end, and each goes on with that step · or pin = true, and they end by "
        + "their old code · moontide explain \(RuntimeCode.sagaMisfit.rawValue)")
  }

  private func refusal(_ text: String, help: String) -> Diagnostic {
    Diagnostic(
      code: RuntimeCode.sagaMisfit.rawValue, "saga \(saga.name): \(text)", at: saga.stepsPlace,
      details: [
        .init("note", "they stand on " + told(standing.map { ($0.value, $0.key) })),
        .init("note", "the script lacks, or has elsewhere: " + told(lacks.map { (0, $0) })),
        .init(
          "note",
          "the first is \(String(decoding: first, as: UTF8.self)): moontide saga show \(saga.name) "
            + String(decoding: first, as: UTF8.self)),
        .init("help", help),
      ])
  }

  /// The most frequent first.
  private func told(_ counted: [(Int, String)]) -> String {
    let sorted = counted.sorted { ($1.0, $0.1) < ($0.0, $1.1) }
    var texts = sorted.prefix(Limits.sagaStepsTold).map { $0.0 == 0 ? $0.1 : "\($0.1) (\($0.0))" }
    if sorted.count > texts.count { texts.append("\(sorted.count - texts.count) more") }
    return texts.joined(separator: ", ")
  }

  /// What the next run does with them; nil when there are none.
  public var outlook: Diagnostic? {
    guard count > 0 else { return nil }
    let what = saga.migrates ? "are brought to the steps of today by `migrate`" : "end by their old code"
    return Diagnostic(
      .note, code: RuntimeCode.sagaMisfit.rawValue,
      "saga \(saga.name): \(Counted.text(count, "open instance")) that no longer fit the script \(what)",
      at: saga.stepsPlace,
      details: [.init("note", "they stand on " + told(standing.map { ($0.value, $0.key) }))])
  }
}

extension SagaCoding {
  init(_ saga: SagaDefinition) {
    self.init(plan: saga.plan, scriptVersion: saga.handler.scriptVersion, timers: Set(saga.timers))
  }
}

extension SagaDefinition {
  /// Whether an instance is open and stands by an older script that it still ends by.
  public func isPinned(_ row: SagaRow) -> Bool {
    pins && !row.hasEnded && row.scriptVersion != handler.scriptVersion
      && SagaCoding(self).instance(row) == nil
  }
}
