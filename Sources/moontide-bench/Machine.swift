import Foundation

/// What the figures were measured on.
enum Machine {
  static var description: String {
    var model = "an unknown processor"
    do {
      let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
      if let line = text.split(separator: "\n").first(where: { $0.hasPrefix("model name") }) {
        model = line.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
      }
    } catch { model = "a processor that /proc does not name" }
    return "\(ProcessInfo.processInfo.processorCount) cores, \(model)"
  }
}
