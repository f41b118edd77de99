import MoontideCore

/// Stored events that upcasters do not bring to the newest version, or to one that is wanted: with how many
/// there are.
struct StoredVersions {
  private(set) var diagnostics: [Diagnostic] = []

  init(_ catalog: ProjectCatalog, counts: [String: [UInt32: UInt64]]) {
    for upcaster in catalog.upcasters.values.sorted(by: { $0.type < $1.type }) {
      let stored = (counts[upcaster.type] ?? [:]).sorted { $0.key < $1.key }
      let first = upcaster.versions.lowerBound
      for (version, count) in stored where version < first {
        report(
          .storedWithoutPath,
          Self.counted(count, of: upcaster.type, version)
            + ", nothing leads from \(version) to \(version + 1)",
          at: upcaster.place, help: "add [\(version)] = function(data, event) … return data end")
      }
      for (version, count) in stored where version > upcaster.versions.upperBound + 1 {
        report(
          .newerThanKnown,
          "\(Self.counted(count, of: upcaster.type, version)), and the newest that is known is "
            + "\(upcaster.newest)", at: upcaster.place,
          help: "take up the scripts that wrote them, or add the steps that lead to \(version)")
      }
    }
    for definition in catalog.definitions {
      for want in definition.wants { check(want, of: definition, catalog, counts[want.type] ?? [:]) }
    }
  }

  private mutating func check(
    _ want: WantedVersion, of definition: HandlerDefinition, _ catalog: ProjectCatalog,
    _ stored: [UInt32: UInt64]
  ) {
    guard let upcaster = catalog.upcasters[want.type] else { return }
    for (version, count) in stored.sorted(by: { $0.key < $1.key })
    where !upcaster.leads(from: version, to: want.version) {
      report(
        .storedWithoutPath,
        "\(Self.counted(count, of: want.type, version)), which nothing leads to version \(want.version) that "
          + "\(definition.kind.rawValue) \(definition.name) wants", at: want.place,
        help: version > want.version
          ? "add down = { [\(version)] = … } to the upcaster: without it these are dead letters"
          : "add the first steps of the chain: without them these are dead letters")
    }
  }

  /// `1,203 stored events of OrderPlaced are version 1`
  private static func counted(_ count: UInt64, of type: String, _ version: UInt32) -> String {
    var digits = String(count)
    var grouped = ""
    while digits.count > 3 {
      grouped = "," + digits.suffix(3) + grouped
      digits = String(digits.dropLast(3))
    }
    return "\(digits)\(grouped) stored event\(count == 1 ? "" : "s") of \(type) "
      + "\(count == 1 ? "is" : "are") version \(version)"
  }

  private mutating func report(_ code: RuntimeCode, _ text: String, at place: SourcePlace, help: String) {
    diagnostics.append(
      Diagnostic(code.severity, code: code.rawValue, text, at: place).adding("help", help))
  }
}
