/// Text in Prometheus' exposition format 0.0.4.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
struct PrometheusText {
  enum Kind: String { case counter, gauge }

  /// One value of a metric, with labels in the order to print.
  struct Sample {
    var labels: [(name: String, value: String)] = []
    var value: Double
  }

  private(set) var text = ""

  /// Adds one metric; nothing when it has no samples.
  mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
    if samples.isEmpty { return }
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    for sample in samples {
      let labels = sample.labels.map { "\($0.name)=\"\(PrometheusText.escaped($0.value))\"" }
      text += name + (labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}")
      text += " \(PrometheusText.number(sample.value))\n"
    }
  }

  /// The same of a metric with one value.
  mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
    add(name, kind, help, [Sample(value: value)])
  }

  static func escaped(_ value: String) -> String {
    var text = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": text += "\\\\"
      case "\"": text += "\\\""
      case "\n": text += "\\n"
      default: text.unicodeScalars.append(character)
      }
    }
    return text
  }

  private static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 9e15 ? String(Int64(value)) : value.description
  }
}
