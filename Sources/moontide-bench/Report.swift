import Foundation

/// Figures and the ratios that count.
struct Report: Codable {
  var machine: String
  var events: Int
  var lines: [Line] = []
  var ratios: [Ratio] = []

  struct Ratio: Codable {
    var name: String
    var value: Double
    /// `at least 2.5` or `at most 1.5`.
    var goal: String
    var holds: Bool
  }

  mutating func add(_ work: String, _ contender: String, _ figure: Figure) {
    lines.append(Line(work: work, contender: contender, figure: figure))
  }

  mutating func compare(_ name: String, _ value: Double, atLeast goal: Double) {
    ratios.append(Ratio(name: name, value: value, goal: "at least \(goal)", holds: value >= goal))
  }

  mutating func compare(_ name: String, _ value: Double, atMost goal: Double) {
    ratios.append(Ratio(name: name, value: value, goal: "at most \(goal)", holds: value <= goal))
  }

  var table: String {
    func pad(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
    func left(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    var text = "\(events) event lines on \(machine); medians\n\n"
    text +=
      pad("work", 32) + pad("who", 34) + left("events/s", 12) + left("CPU us/event", 14) + left("RSS MB", 8)
      + "\n"
    for line in lines {
      let figure = line.figure
      text += pad(line.work, 32) + pad(line.contender, 34)
      if let latency = figure.latencySeconds {
        text += left(String(format: "%.3f ms", latency * 1e3), 12)
        text += left(figure.latencyP99Seconds.map { String(format: "p99 %.3f ms", $0 * 1e3) } ?? "", 16)
      } else {
        text +=
          left(String(format: "%.0f", figure.rate), 12)
          + left(String(format: "%.2f", figure.cpuMicroseconds), 14)
        text += left(figure.residentMegabytes == 0 ? "" : "\(figure.residentMegabytes)", 8)
      }
      text += "\n"
    }
    text += "\n" + pad("ratio", 68) + left("value", 8) + "  goal\n"
    for ratio in ratios {
      text += pad(ratio.name, 68) + left(String(format: "%.2f", ratio.value), 8)
      text += "  \(ratio.goal)\(ratio.holds ? "" : "  MISSED")\n"
    }
    return text
  }

  var json: Data {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      return try encoder.encode(self)
    }
  }
}
