/// Questions to `sys.events`: those that an index answers, and counts without payloads beside counts with.
struct AskRace {
  let contest: Contest

  func run(_ report: inout Report) throws {
    let project = try contest.fresh("ask", handlers: [])
    _ = try contest.work(["ingest", project])
    var figures: [AskProbe.Question: Figure] = [:]
    for question in AskProbe.Question.allCases {
      let figure = try contest.work(["ask", project, "--question", question.rawValue])
      figures[question] = figure
      report.add("ask sys.events", question.title, figure)
    }
    func seconds(_ question: AskProbe.Question) -> Double { figures[question]?.latencySeconds ?? .infinity }
    for (question, name) in [(AskProbe.Question.position, "position"), (.key, "key")] {
      report.compare("sys.events by \(name): milliseconds", seconds(question) * 1e3, atMost: 10)
    }
    report.compare(
      "sys.events, counts by type: time against one that reads payloads",
      seconds(.types) / seconds(.payloads),
      atMost: 0.5)
  }
}
