import CSQLite
import MoontideCore

/// How a store's connection is set up.
enum StorePragmas {
  enum Durability {
    /// Derived from the log and committed with its checkpoint: a tail lost in a power cut is replayed, so
    /// a commit needs no flush (WAL with synchronous=NORMAL stays consistent).
    case derived
    /// The only copy: state, outbox, parked keys. Every commit is flushed.
    case truth
    /// A file that nobody reads yet and that is thrown away after a crash: rollback works, nothing is flushed
    /// until it is finished.
    case bulk
  }

  static func apply(_ durability: Durability, to connection: Connection) throws(StoreError) {
    sqlite3_limit(connection.handle, SQLITE_LIMIT_LENGTH, Limits.storeValueBytesMax)
    sqlite3_limit(connection.handle, SQLITE_LIMIT_ATTACHED, 0)
    sqlite3_limit(connection.handle, SQLITE_LIMIT_COLUMN, Limits.statementColumnsMax)
    sqlite3_limit(connection.handle, SQLITE_LIMIT_FUNCTION_ARG, Limits.statementArgumentsMax)
    switch durability {
    case .derived:
      try connection.script("pragma journal_mode=wal; pragma synchronous=normal;")
    case .truth:
      try connection.script("pragma journal_mode=wal; pragma synchronous=full;")
    case .bulk:
      try connection.script("pragma journal_mode=memory; pragma synchronous=off;")
    }
    // Sorts and temporary tables leave memory once they outgrow the cache: a script may sort what it likes.
    try connection.script(
      """
      pragma secure_delete=off; pragma temp_store=file; pragma foreign_keys=on;
      pragma cache_size=-\(Limits.storeCacheKibibytes);
      pragma wal_autocheckpoint=\(Limits.storeCheckpointPages);
      """)
  }
}
