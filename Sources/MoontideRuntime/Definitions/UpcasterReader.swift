import MoontideCore
import MoontideLua

/// Reads upcasters out of checked definitions.
struct UpcasterReader {
  private(set) var reader: DefinitionReader
  private let scan: ReshapeScan?
  private var downs: [UInt32] = []

  /// - Parameter scan: of the upcaster's file.
  init(_ reader: DefinitionReader, scan: ReshapeScan? = nil) {
    self.reader = reader
    self.scan = scan
  }

  /// The upcaster, or nil when something is wrong with it; `reader` then says what.
  mutating func upcaster() -> UpcasterDefinition? {
    let name = reader.definition.name
    if name.isEmpty || name.utf8.count > Limits.typeBytesMax || name.contains("*") {
      reader.report(
        .badName,
        "an upcaster is named after one event type of 1 to \(Limits.typeBytesMax) bytes, not "
          + "\"\(name)\"", at: reader.place)
    }
    var versions: [UInt32] = []
    for entry in reader.definition.body.entries {
      switch entry.key {
      case .integer:
        if let version = version(entry, under: []) { versions.append(version) }
      case .string where entry.key.text == "down": readDown(entry.value)
      default:
        let key = DefinitionReader.pathKey(entry.key)
        reader.report(
          .unknownKey, "\(reader.title): unknown key `\(key)`; an upcaster has [1], [2], … and `down`",
          at: reader.keyPlace([key]),
          help: Suggestion.nearest(to: key, among: ["down"]).map { "did you mean `\($0)`?" })
      }
    }
    versions.sort()
    for (lower, upper) in zip(versions, versions.dropFirst()) where upper != lower + 1 {
      reader.report(
        .upcasterGap, "\(reader.title): nothing leads from version \(lower + 1) to \(upper)",
        at: reader.keyPlace(["[\(upper)]"]),
        help: "add [\(lower + 1)] = function(data, event) … return data end")
    }
    guard let first = versions.first, let last = versions.last else {
      if !reader.hasErrors {
        reader.report(
          .missingKey,
          "\(reader.title) has no step; [1] = function(data, event) … end leads from version 1 to 2",
          at: reader.place)
      }
      return nil
    }
    if reader.hasErrors { return nil }
    let shapes = versions.map { scan?.shape(of: field(of: $0)) ?? StepShape() }
    return UpcasterDefinition(
      type: name, place: reader.place, versions: first...last, shapes: shapes, downs: downs.sorted())
  }

  /// Where a step is written; nil when another field of the table may be the one that counts.
  private func field(of version: UInt32) -> TableOutline.Field? {
    let fields = reader.outline?.fields ?? []
    let isPlain = fields.allSatisfy { field in
      field.key == "down" || UInt32(field.key.dropFirst().dropLast()).map { "[\($0)]" } == field.key
    }
    let found = fields.filter { $0.key == "[\(version)]" }
    return isPlain && found.count == 1 ? found[0] : nil
  }

  /// The version of a step, or nil after saying what is wrong with it.
  private mutating func version(_ entry: LuaTable.Entry, under path: [String]) -> UInt32? {
    let path = path + [DefinitionReader.pathKey(entry.key)]
    guard case .integer(let number) = entry.key, number >= 1, number < Limits.eventVersionMax else {
      reader.report(
        .badValue,
        "\(reader.title): a version is a whole number from 1 to \(Limits.eventVersionMax), not "
          + DefinitionReader.kindName(entry.key), at: reader.keyPlace(path))
      return nil
    }
    guard case .function = entry.value else {
      reader.wrongKind(entry.value, path, wanted: "a function(data, event)")
      return nil
    }
    return UInt32(number)
  }

  private mutating func readDown(_ value: LuaValue) {
    guard case .table(let table) = value else {
      reader.wrongKind(value, ["down"], wanted: "a table of functions by version")
      return
    }
    for entry in table.entries {
      guard let found = version(entry, under: ["down"]) else { continue }
      if found == 1 {
        reader.report(
          .badValue, "\(reader.title): `down` leads from a version to the one below; below 1 is none",
          at: reader.keyPlace(["down", "[1]"]))
      }
      downs.append(found)
    }
  }
}
