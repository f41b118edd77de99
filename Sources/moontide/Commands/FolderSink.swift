import MoontideCore
import MoontideHost

/// An event directory again: a file for the topic `events` at the top, a folder for every other topic.
final class FolderSink: FinishingByteSink {
  private struct Target {
    var file: any File
    var end: UInt64
  }

  private let folder: String
  private let files = SystemSurroundings.files
  private var targets: [TopicName: Target] = [:]

  init(_ folder: String) throws(Diagnostic) {
    self.folder = folder
    try FileError.told { () throws(FileError) in try files.createDirectory(folder) }
  }

  func write(_ bytes: [UInt8], topic: TopicName) throws(Diagnostic) {
    var target: Target
    if let known = targets[topic] { target = known } else { target = try open(topic) }
    try FileError.told { () throws(FileError) in
      try target.file.write(bytes, 0..<bytes.count, at: target.end)
    }
    target.end += UInt64(bytes.count)
    targets[topic] = target
  }

  func finish() throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      for target in targets.values { try target.file.sync() }
      try files.syncDirectory(folder)
    }
  }

  private func open(_ topic: TopicName) throws(Diagnostic) -> Target {
    try FileError.told { () throws(FileError) in
      var place = folder
      if topic != .events {
        place += "/\(topic)"
        try files.createDirectory(place)
      }
      return Target(file: try files.open("\(place)/\(topic).jsonl", .create), end: 0)
    }
  }
}
