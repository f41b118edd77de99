import CSQLite
import MoontideCore

/// What is wrong with a projection's schema, and where.
public struct SchemaFault: Error, Sendable, Hashable {
  /// SQLite's text, or ours.
  public var message: String
  /// Bytes of the schema text from its start to what is wrong; at most its length.
  public var byteOffset: Int
  /// Length in bytes of what is wrong, at least 1.
  public var byteCount: Int
  /// A name that may have been meant.
  public var suggestion: String?
}

/// Runs the SQL of a schema statement by statement, so that an error has a place in the text.
struct SchemaScript {
  let text: String

  /// Creates everything. The caller has begun a transaction, and rolls it back when this throws.
  func run(on connection: Connection) throws(SchemaFault) {
    var bytes = Array(text.utf8)
    bytes.append(0)
    var at = 0
    while at < bytes.count - 1 {
      let next = try step(bytes, at, connection)
      precondition(next > at, "SQLite consumed nothing at byte \(at) of \(bytes.count)")
      at = next
    }
  }

  /// Runs the statement that begins at `start` and says where it ends.
  private func step(_ bytes: [UInt8], _ start: Int, _ connection: Connection) throws(SchemaFault) -> Int {
    let authorizer = connection.authorizer
    var consumed = 0
    do {
      try authorizer.under(.schema) { () throws(StoreError) in
        var prepared: OpaquePointer?
        let code = bytes.withUnsafeBytes { buffer -> Int32 in
          let text = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
          var tail: UnsafePointer<CChar>?
          let code = sqlite3_prepare_v2(connection.handle, text.map { $0 + start }, -1, &prepared, &tail)
          if let tail, let text { consumed = tail - text - start }
          return code
        }
        guard code == SQLITE_OK else { throw connection.failure(code) }
        guard let prepared else { return }
        let statement = Statement(prepared, of: connection)
        authorizer.isRunning = true
        try statement.finish()
      }
    } catch {
      throw fault(error, bytes, start, consumed, connection)
    }
    return start + max(consumed, 1)
  }

  private func fault(
    _ error: StoreError, _ bytes: [UInt8], _ start: Int, _ consumed: Int, _ connection: Connection
  ) -> SchemaFault {
    let message =
      switch error {
      case .refused(let text), .constraint(let text), .foldedConstraint(let text): text
      case .full(let path): "no room on the disk for \(path)"
      case .damaged(let path, let reason), .io(let path, let reason), .exhausted(let path, let reason):
        "\(path): \(reason)"
      }
    let end = consumed > 0 ? start + consumed : bytes.count - 1
    let statement = String(decoding: bytes[start..<max(start, min(end, bytes.count - 1))], as: UTF8.self)
    let words = SQLWords(statement)
    if let offset = connection.errorOffset, offset < statement.utf8.count {
      let place = words.tokens.first { $0.range.contains(offset) }?.range ?? offset..<offset + 1
      return SchemaFault(
        message: message, byteOffset: start + place.lowerBound, byteCount: max(1, place.count),
        suggestion: suggestion(in: message, words, connection))
    }
    // SQLite gives no offset: the name in its message is the best pointer.
    for name in SchemaScript.names(in: message) {
      if let place = words.place(of: name) {
        return SchemaFault(
          message: message, byteOffset: start + place.lowerBound, byteCount: place.count,
          suggestion: suggestion(in: message, words, connection))
      }
    }
    let first = words.tokens.first?.range ?? 0..<1
    return SchemaFault(message: message, byteOffset: start + first.lowerBound, byteCount: max(1, first.count))
  }

  /// Names that a message of SQLite speaks of, the likeliest first.
  static func names(in message: String) -> [String] {
    let quotedPart = message.split(separator: "\"")
    var names = quotedPart.count >= 2 && message.contains("near \"") ? [String(quotedPart[1])] : []
    let parts = message.split(separator: " ").map(String.init)
    for (index, word) in parts.enumerated().reversed() where index > 0 {
      if ["named", "column:", "table:", "table", "column", "function:", "tokenizer:", "named:"].contains(
        parts[index - 1])
      {
        names.append(word.split(separator: ".").last.map(String.init) ?? word)
      }
    }
    if let last = parts.last { names.append(last.split(separator: ".").last.map(String.init) ?? last) }
    for word in parts { names.append(word.trimmingQuotes) }
    return names
  }

  /// A column, of the tables that the statement speaks of, that is spelt like the unknown one.
  private func suggestion(in message: String, _ words: SQLWords, _ connection: Connection) -> String? {
    guard message.contains("no column named") || message.contains("no such column"),
      let name = SchemaScript.names(in: message).first
    else { return nil }
    do throws(StoreError) {
      let list = try connection.prepare("select name from pragma_table_info(?1)")
      var columns: [String] = []
      for word in Set(words.words).sorted() {
        list.bind(1, text: word)
        while try list.step() { columns.append(list.text(0)) }
        list.reset()
      }
      return Suggestion.nearest(to: name, among: columns)
    } catch {
      // Only a help is lost: the fault itself is told.
      return nil
    }
  }
}

extension String {
  var trimmingQuotes: String {
    var text = self[...]
    while let first = text.first, "\"'`,:;".contains(first) { text = text.dropFirst() }
    while let last = text.last, "\"'`,:;".contains(last) { text = text.dropLast() }
    return String(text)
  }
}

extension SchemaScript {
  /// Where in the text an error is that was found after its statements had run.
  func locate(_ error: StoreError) -> SchemaFault {
    let message =
      switch error {
      case .refused(let text), .constraint(let text), .foldedConstraint(let text): text
      case .full, .exhausted, .damaged, .io: "\(error)"
      }
    let words = SQLWords(text)
    for name in SchemaScript.names(in: message) {
      if let place = words.place(of: name) {
        return SchemaFault(message: message, byteOffset: place.lowerBound, byteCount: max(1, place.count))
      }
    }
    return SchemaFault(message: message, byteOffset: 0, byteCount: 1)
  }
}
