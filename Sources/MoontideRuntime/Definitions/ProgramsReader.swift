import MoontideCore
import MoontideLua

extension DefinitionReader {
  /// The names of environment variables that effects may refer to.
  mutating func environment(_ names: LuaTable) -> [String] {
    var environment: [String] = []
    for entry in names.entries {
      let path = ["env", DefinitionReader.pathKey(entry.key)]
      guard let name = entry.value.text, case .integer = entry.key else {
        wrongKind(entry.value, path, wanted: "a list of names")
        continue
      }
      if EnvironmentName.isOne(name) {
        environment.append(name)
      } else {
        report(
          .badName, "\(title): \"\(name)\" is not the name of an environment variable",
          at: valuePlace(path))
      }
    }
    return environment
  }

  /// The programs that effects may run, by name: absolute paths, or paths below the project.
  mutating func programs(_ table: LuaTable) -> [String: String] {
    var programs: [String: String] = [:]
    for entry in table.entries {
      let path = ["programs", DefinitionReader.pathKey(entry.key)]
      guard let name = entry.key.text, let place = entry.value.text else {
        wrongKind(entry.value, path, wanted: "a path by a name, such as { mailer = \"/usr/bin/mailer\" }")
        continue
      }
      let parts = place.split(separator: "/")
      let isBelow = !place.hasPrefix("/") && !parts.contains("..") && !parts.contains(".") && !parts.isEmpty
      if place.utf8.contains(0) || !(place.hasPrefix("/") && !parts.isEmpty || isBelow) {
        report(
          .badValue,
          "\(title): `programs.\(name)` is an absolute path, or one below the project such as "
            + "\"bin/mailer\", not \"\(place)\"", at: valuePlace(path))
      } else {
        programs[name] = place
      }
    }
    return programs
  }
}
