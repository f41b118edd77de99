import MoontideCore
import MoontideSQLite

/// A statement whose names of attached past moments are written as SQLite knows them: `tue.orders` and
/// `tue.order_status.orders` become `"tue@order_status".orders`. Each read model of a moment is a database of
/// its own. Pure.
struct AttachedNames {
  /// What is run.
  private(set) var text: String
  /// The schemas that it names, as `schema(of:in:)` writes them.
  private(set) var schemas: Set<String> = []
  /// Where bytes of the original were replaced: from there on, places differ by `shift`.
  private var edits: [(end: Int, originalEnd: Int)] = []
  /// A name that is in several read models of a moment, with what it may stand for.
  private(set) var ambiguous: (name: String, candidates: [String])?

  private static let separator: Character = "@"

  /// - Parameter moments: the tables of each attached moment, by the names of moment and read model.
  init(_ sql: String, moments: [String: [String: [String]]]) {
    let bytes = Array(sql.utf8)
    var out: [UInt8] = []
    var copied = 0
    let tokens = SQLWords(sql).tokens
    var index = 0
    while index < tokens.count {
      defer { index += 1 }
      guard index == 0 || tokens[index - 1].text != ".",
        let name = AttachedNames.name(tokens, index),
        let moment = moments.keys.first(where: { $0.lowercased() == name }),
        AttachedNames.isDot(tokens, index + 1), let next = AttachedNames.name(tokens, index + 2),
        let models = moments[moment]
      else { continue }
      let model: String
      var last = index
      if let named = models.keys.first(where: { $0.lowercased() == next }),
        AttachedNames.isDot(tokens, index + 3), let table = AttachedNames.name(tokens, index + 4),
        models[named]?.contains(where: { $0.lowercased() == table }) == true
      {
        model = named
        last = index + 2
      } else {
        let found = models.filter { $0.value.contains { $0.lowercased() == next } }.keys.sorted()
        if found.count > 1 {
          ambiguous = ("\(moment).\(next)", found.map { "\(moment).\($0).\(next)" })
        }
        // What is no table may be a column of a table that is called like the moment.
        guard found.count == 1 else { continue }
        model = found[0]
      }
      let schema = AttachedNames.schema(of: moment, in: model)
      schemas.insert(schema)
      out += bytes[copied..<tokens[index].range.lowerBound]
      out += Array("\"\(schema)\"".utf8)
      copied = tokens[last].range.upperBound
      edits.append((out.count, copied))
    }
    out += bytes[copied...]
    text = String(decoding: out, as: UTF8.self)
  }

  /// The schema of a read model of a moment.
  static func schema(of moment: String, in model: String) -> String { "\(moment)\(separator)\(model)" }

  /// Moment and read model of such a schema; nil for another one.
  static func parts(of schema: String) -> (moment: String, model: String)? {
    let parts = schema.split(separator: separator, maxSplits: 1)
    return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
  }

  /// Where a byte of what is run was in the statement as it was typed.
  func original(_ offset: Int) -> Int {
    guard let edit = edits.last(where: { $0.end <= offset }) else { return offset }
    return edit.originalEnd + offset - edit.end
  }

  /// A message of SQLite with such schemas as they are typed.
  static func readable(_ message: String) -> String { String(message.map { $0 == separator ? "." : $0 }) }

  private static func name(_ tokens: [SQLWords.Token], _ index: Int) -> String? {
    guard tokens.indices.contains(index), tokens[index].kind == .word || tokens[index].kind == .quotedName
    else { return nil }
    return tokens[index].text.lowercased()
  }

  private static func isDot(_ tokens: [SQLWords.Token], _ index: Int) -> Bool {
    tokens.indices.contains(index) && tokens[index].kind == .symbol && tokens[index].text == "."
  }
}
