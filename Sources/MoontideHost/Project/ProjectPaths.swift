/// Where everything of one project lies. All paths are below `root`.
public struct ProjectPaths: Sendable, Hashable {
  /// Absolute, without a closing slash.
  public let root: String

  public init(root: String) { self.root = root }

  public var settings: String { root + "/moontide.lua" }
  public var events: String { root + "/events" }
  public var handlers: String { root + "/handlers" }
  public var lib: String { root + "/lib" }
  public var queries: String { root + "/queries" }
  public var data: String { root + "/data" }
  public var log: String { data + "/log" }
  public var lock: String { data + "/lock" }
  public var readModels: String { data + "/readmodels" }
  public var handlerFiles: String { data + "/handlers" }
  /// The scripts that the log began with, until others take over.
  var firstScripts: String { data + "/scripts" }
  /// Files of handlers that are not defined any more.
  public var archive: String { data + "/archive" }
  /// Caches; deletable.
  public var cache: String { root + "/.moontide" }
  /// Read models as of past moments; deletable.
  public var asOf: String { cache + "/as-of" }
  var folds: String { asOf + "/folds" }
  var outline: String { asOf + "/outline" }
  /// Files of one command that compares folds; what a killed one left goes with the next.
  var scratch: String { cache + "/scratch" }
  public var socket: String { cache + "/socket" }
  /// Counts of stored events.
  var census: String { cache + "/census" }

  /// Snapshots of deciders; a cache.
  public var snapshotFolder: String { cache + "/snapshots" }
  public var commands: String { root + "/commands" }

  public func snapshots(_ name: String) -> String { "\(snapshotFolder)/\(name).sqlite" }
  public func readModel(_ name: String) -> String { "\(readModels)/\(name).sqlite" }
  public func handlerFile(_ name: String) -> String { "\(handlerFiles)/\(name).sqlite" }
  /// A read model that is being rebuilt beside the one in use.
  public func rebuilding(_ name: String) -> String { "\(readModels)/.\(name).rebuilding.sqlite" }
  /// The read model that the one in use took the place of; kept for `projection rollback`.
  public func previous(_ name: String) -> String { "\(readModels)/.\(name).previous.sqlite" }

  /// The path below `root`, for messages.
  public func relative(_ path: String) -> String {
    path.hasPrefix(root + "/") ? String(path.dropFirst(root.utf8.count + 1)) : path
  }
}
