import Foundation

/// The shell of SQLite, as an observer that is not ours.
enum Sqlite {
  static func dump(_ database: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sqlite3", "-readonly", database, ".dump"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Fault("sqlite3 cannot dump \(database): \(process.terminationStatus)")
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
