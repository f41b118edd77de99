import Foundation

/// What one run of one contender took.
struct Figure: Codable {
  var events: Int
  var wallSeconds: Double
  var cpuSeconds: Double
  /// The largest resident set of the process, in MB of 2^20 bytes; 0 when it was not measured.
  var residentMegabytes: Int
  /// Seconds of a single operation, where the figure is a latency.
  var latencySeconds: Double?
  var latencyP95Seconds: Double?
  var latencyP99Seconds: Double?

  var rate: Double { wallSeconds > 0 ? Double(events) / wallSeconds : 0 }
  var cpuMicroseconds: Double { events > 0 ? cpuSeconds / Double(events) * 1e6 : 0 }

  /// The run with the median rate, or the median latency.
  static func median(_ runs: [Figure]) -> Figure {
    precondition(!runs.isEmpty, "a median of no runs")
    let sorted = runs.sorted { ($0.latencySeconds ?? -$0.rate) < ($1.latencySeconds ?? -$1.rate) }
    return sorted[sorted.count / 2]
  }
}

/// One line of the table: a contender's figure.
struct Line: Codable {
  var work: String
  var contender: String
  var figure: Figure
}
