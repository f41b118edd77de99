import MoontideCore

/// A place in a transaction to come back to while row operations are held back. What is held back goes back
/// by itself (`FoldTable`); SQLite marks the place only when it is to be changed behind it, which most
/// events never ask for. Belongs to one transaction; its tables ask it before they write.
final class FoldMark {
  private let connection: Connection
  /// Whether there is a place to come back to.
  @exclusivity(unchecked) private(set) var isSet = false
  /// Whether SQLite has marked it too.
  private(set) var isInFile = false
  /// Whether the transaction has not begun in SQLite: what it writes is handed to `LateCommit` at its end.
  @exclusivity(unchecked) var isDeferred = false
  /// Begins it there, since a statement is to be run.
  var engage: () throws(StoreError) -> Void = {}
  /// Writes what all tables hold back, with the place between what was held back before it and since.
  var flush: () throws(StoreError) -> Void = {}

  init(_ connection: Connection) { self.connection = connection }

  func set() throws(StoreError) {
    if isInFile { try connection.run("release mark") }
    isInFile = false
    isSet = true
  }

  /// Before every statement that changes something.
  @inline(__always)
  func beforeWriting() throws(StoreError) {
    if isSet && !isInFile { try markFile() }
  }

  private func markFile() throws(StoreError) {
    try connection.run("savepoint mark")
    isInFile = true
  }

  /// Undoes what was written since; the place stays.
  func rollBack() throws(StoreError) {
    if isInFile { try connection.run("rollback to mark") }
  }

  /// The transaction has ended.
  func forget() {
    isSet = false
    isInFile = false
  }

  /// Rows that were held back before the place cannot be written behind it: they would be undone with it.
  static let refusal = StoreError.foldedConstraint("a marked event wrote, and reads what is held back")
}
