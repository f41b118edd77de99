import CSQLite
public import MoontideCore

/// Copies a store's file beside whoever writes it.
public enum StoreCopy {
  /// Makes `target`, which must not exist, an exact copy of the database in `source` as of one commit, all in
  /// one file. Nothing is flushed. <https://www.sqlite.org/backup.html>
  public static func make(of source: String, at target: String) throws(StoreError) {
    let from = try Connection.reading(source)
    let to = try Connection(target, .create)
    guard let copying = sqlite3_backup_init(to.handle, "main", from.handle, "main") else {
      throw to.failure(sqlite3_errcode(to.handle))
    }
    // All pages in one step, under one read transaction: no commit of the writer comes in between.
    let stepped = sqlite3_backup_step(copying, -1)
    let finished = sqlite3_backup_finish(copying)
    guard stepped == SQLITE_DONE else { throw to.failure(finished == SQLITE_OK ? stepped : finished) }
    // The copy says that it has a write-ahead log, as the source has; an empty one beside it is no use.
    try to.script("pragma journal_mode=delete")
  }
}
