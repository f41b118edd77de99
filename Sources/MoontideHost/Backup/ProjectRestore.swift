public import MoontideCore
import MoontideLog
import MoontideSQLite

/// Puts a backup into a project that has no data yet, and proves it first: every file by its checksum, every
/// byte of the log, every store by SQLite's check and its checkpoints.
public struct ProjectRestore {
  /// What was put there.
  public struct Result: Sendable {
    public var position: Position
    public var records: UInt64
    public var stores: Int
  }

  private let source: String
  private let paths: ProjectPaths
  private let files: any FileSystem

  /// - Parameters:
  ///   - source: the archive.
  ///   - directory: the project; made when it is missing.
  public init(_ source: String, into directory: String) {
    self.source = source
    paths = ProjectPaths(root: directory.hasSuffix("/") ? String(directory.dropLast()) : directory)
    files = SystemSurroundings.files
  }

  /// Unpacks beside, verifies, and moves the data into its place at the end: a failure leaves the project
  /// as it was, but for the folder `data.restoring`.
  public func restore() throws(Diagnostic) -> Result {
    let beside = ProjectPaths(root: paths.root + "/.moontide/restoring")
    try FileError.told { () throws(FileError) in try prepare(beside) }
    if try hasData() {
      throw Diagnostic(.backupTarget, "\(paths.data) is not empty", help: HostCode.backupTarget.mend)
    }
    let manifest = try unpack(to: beside)
    let result = try verify(beside, manifest)
    try FileError.told { () throws(FileError) in
      for folder in [
        beside.handlerFiles, beside.readModels, beside.archive, beside.log + "/segments", beside.log,
        beside.data,
      ]
      where try files.status(folder) != nil { try files.syncDirectory(folder) }
      CrashPoint.reach(.duringRestore)
      try files.rename(beside.data, to: paths.data)
      try files.syncDirectory(paths.root)
    }
    return result
  }

  /// Makes the folders, and removes what an earlier try left.
  private func prepare(_ beside: ProjectPaths) throws(FileError) {
    for folder in [beside.log + "/segments", beside.handlerFiles, beside.readModels] {
      try files.createDirectory(folder)
    }
    for folder in [
      beside.log + "/segments", beside.handlerFiles, beside.readModels, beside.archive, beside.data,
    ] where try files.status(folder) != nil {
      for name in try files.list(folder) where try files.status("\(folder)/\(name)")?.isDirectory == false {
        try files.remove("\(folder)/\(name)")
      }
    }
  }

  private func hasData() throws(Diagnostic) -> Bool {
    try FileError.told { () throws(FileError) in
      guard try files.status(paths.data) != nil else { return false }
      return try !files.list(paths.data).isEmpty
    }
  }

  // MARK: Unpacking

  private func unpack(to beside: ProjectPaths) throws(Diagnostic) -> BackupManifest {
    let archive = try FileError.told { () throws(FileError) in try files.open(source, .read) }
    var reader = TarReader(archive, name: source)
    var found: [BackupManifest.File] = []
    while let header = try reader.next() {
      if header.name == BackupManifest.name {
        let manifest = try BackupManifest(text: String(decoding: try reader.contents(), as: UTF8.self))
        try compare(found, manifest)
        return manifest
      }
      guard isOurs(header.name) else {
        throw Diagnostic(.backupDamaged, "\(source) holds \(header.name), which is no part of a backup")
      }
      let path = beside.root + "/" + header.name
      let target = try FileError.told { () throws(FileError) in
        if path.hasPrefix(beside.archive + "/") { try files.createDirectory(beside.archive) }
        return try files.open(path, .create)
      }
      let checksum = try reader.copy(to: target)
      try FileError.told { () throws(FileError) in try target.sync() }
      found.append(.init(name: header.name, bytes: header.size, checksum: checksum))
    }
    throw Diagnostic(.backupDamaged, "\(source) ends before its manifest: it is not whole")
  }

  /// Nothing is ever written elsewhere, whatever an archive says.
  private func isOurs(_ name: String) -> Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.first == "data", !parts.contains(where: { $0.isEmpty || $0.hasPrefix(".") }) else {
      return false
    }
    switch parts.dropFirst().first {
    case "log": return parts.count == 4 && parts[2] == "segments" && name.hasSuffix(".log")
    case "handlers", "readmodels", "archive": return parts.count == 3 && name.hasSuffix(".sqlite")
    case "scripts": return parts.count == 2
    default: return false
    }
  }

  private func compare(_ found: [BackupManifest.File], _ manifest: BackupManifest) throws(Diagnostic) {
    for (file, should) in zip(found, manifest.files) where file != should {
      throw Diagnostic(
        .backupDamaged, "\(file.name) in \(source) is not what was backed up: its checksum does not match")
    }
    guard found.count == manifest.files.count else {
      throw Diagnostic(
        .backupDamaged,
        "\(source) holds \(found.count) files where its manifest names \(manifest.files.count)")
    }
  }

  // MARK: Verifying

  private func verify(_ beside: ProjectPaths, _ manifest: BackupManifest) throws(Diagnostic) -> Result {
    let check = try MoontideProject.verify(beside) { _, _ throws(Diagnostic) in }
    if let problem = check.problems.first ?? check.tornTail { throw problem }
    guard check.end == manifest.position else {
      throw Diagnostic(
        .backupDamaged,
        "the log of \(source) ends at \(check.end), and its manifest says \(manifest.position)")
    }
    var stores = 0
    for file in manifest.files {
      let path = beside.root + "/" + file.name
      if path == beside.firstScripts { try verifyScripts(path, file.name) }
      guard file.name.hasSuffix(".sqlite") else { continue }
      // What was put away may be of another log: whoever takes it back looks.
      let isPutAway = path.hasPrefix(beside.archive + "/")
      try verifyStore(path, file.name, isPutAway ? nil : manifest.position)
      stores += 1
    }
    return Result(position: check.end, records: check.records, stores: stores)
  }

  private func verifyScripts(_ path: String, _ name: String) throws(Diagnostic) {
    let lines = try FileError.told { () throws(FileError) in
      try files.contents(path, bytesMax: Limits.firstScriptsBytesMax)
    }
    guard FirstScripts(lines: lines) != nil else {
      throw Diagnostic(.backupDamaged, "\(name) in \(source) holds no scripts that moontide kept")
    }
  }

  /// - Parameter end: where the log ends; nil: it may have come further.
  private func verifyStore(_ path: String, _ name: String, _ end: Position?) throws(Diagnostic) {
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      let (fault, last) = try StoreOpeningError.told { () throws(StoreError) in
        (try reader.integrityFault(), try reader.ledger().checkpoints.values.max() ?? .start)
      }
      if let fault { throw StoreOpeningError.store(.damaged(path: name, reason: fault)) }
      if let end, last > end {
        throw StoreOpeningError.store(
          .damaged(path: name, reason: "it has come to \(last), and the log of the backup ends at \(end)"))
      }
    } catch {
      if case .empty = error { return }
      throw error.diagnostic(name)
    }
  }
}
