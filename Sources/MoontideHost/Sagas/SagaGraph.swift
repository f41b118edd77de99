public import MoontideCore
import MoontideRuntime

/// The steps of a saga as a diagram, in the language of Mermaid.
public struct SagaGraph {
  private let paths: ProjectPaths
  private let files: any FileSystem

  public init(_ paths: ProjectPaths) {
    self.paths = paths
    files = SystemSurroundings.files
  }

  /// - Parameter name: nil where the project has one saga.
  public func mermaid(of name: String?) throws(Diagnostic) -> String {
    let sagas = try LoadedScripts.load(paths, files: files).catalog.sagas
    return Self.mermaid(try SagaDesk.definition(name, among: sagas))
  }

  static func mermaid(_ saga: SagaDefinition) -> String {
    var lines = ["flowchart TD", "  start([\(text(saga.startsOn.joined(separator: ", ")))])"]
    let plan = saga.plan
    for (index, step) in plan.steps.enumerated() {
      lines.append("  s\(index)[\(text(step.name))]")
      if step.compensates { lines.append("  u\(index)[/\(text("undo \(step.name)"))/]") }
    }
    lines.append("  done([\(text("completed"))])")
    var before = ["start"]
    for stage in plan.stages {
      for from in before { for step in stage { lines.append("  \(from) --> s\(step)") } }
      before = stage.map { "s\($0)" }
    }
    let last = plan.stages.last.map { $0.map { ($0, plan.steps[$0]) } } ?? []
    if plan.steps.isEmpty {
      for type in saga.reactions { lines.append("  start -->|\(text(type))| start") }
      for timer in saga.timers { lines.append("  start -.->|\(text("timer \(timer)"))| start") }
      lines.append("  start -->|\(text("ctx.complete()"))| done")
    }
    for (index, step) in last {
      lines.append("  s\(index) -->|\(text(step.succeedsOn.first ?? "accepted"))| done")
    }
    lines += undoing(plan)
    return lines.joined(separator: "\n") + "\n"
  }

  /// From the last to the first.
  private static func undoing(_ plan: SagaPlan) -> [String] {
    guard !plan.steps.isEmpty else { return [] }
    var lines = ["  undone([\(text("compensated"))])"]
    let undone = plan.steps.indices.filter { plan.steps[$0].compensates }
    for (index, step) in plan.steps.enumerated() {
      var reasons = step.failsOn
      if step.sends { reasons.append("refused") }
      // What timed out may have been done: it is undone itself.
      let first = undone.last { $0 < index }.map { "u\($0)" } ?? "undone"
      lines.append("  s\(index) -.->|\(text(reasons.joined(separator: ", ")))| \(first)")
      if step.timeout != nil {
        lines.append("  s\(index) -.->|\(text("timeout"))| \(step.compensates ? "u\(index)" : first)")
      }
    }
    for (place, index) in undone.enumerated() {
      lines.append("  u\(index) --> \(place == 0 ? "undone" : "u\(undone[place - 1])")")
    }
    return lines
  }

  /// In quotes, in which Mermaid takes everything but quotes.
  private static func text(_ text: String) -> String {
    "\"" + text.map { $0 == "\"" ? "#quot;" : String($0) }.joined() + "\""
  }
}
