import MoontideCore
import MoontideLua

extension DefinitionReader {
  /// `wants = { OrderPlaced = 1 }`; reports what is wrong with it.
  mutating func wantedVersions(_ body: LuaTable) -> [WantedVersion] {
    guard let value = body["wants"] else { return [] }
    guard case .table(let table) = value else {
      wrongKind(value, ["wants"], wanted: "a table of versions by event type")
      return []
    }
    var wants: [WantedVersion] = []
    for entry in table.entries {
      let path = ["wants", DefinitionReader.pathKey(entry.key)]
      guard let type = entry.key.text else {
        report(
          .wrongKind,
          "\(title): the keys of `wants` are event types, not "
            + DefinitionReader.kindName(entry.key), at: keyPlace(path))
        continue
      }
      guard case .integer(let number) = entry.value, number >= 1, number <= Limits.eventVersionMax else {
        report(
          .badValue,
          "\(title): `wants.\(type)` is a version, a whole number from 1 on, not "
            + DefinitionReader.kindName(entry.value), at: valuePlace(path))
        continue
      }
      wants.append(WantedVersion(type: type, version: UInt32(number), place: keyPlace(path)))
    }
    return wants
  }
}
