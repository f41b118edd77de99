public import MoontideCore

/// The codes of `why` and `impact`.
public enum TraceCode: String, ExplainedCode {
  case noSuchTable = "E0671"
  case rowKey = "E0672"
  case noReadModel = "E0673"

  public var title: String {
    switch self {
    case .noSuchTable: "there is no such table in the read models"
    case .rowKey: "a row is named by its key"
    case .noReadModel: "a projection has no read model yet"
    }
  }

  public var meaning: String {
    switch self {
    case .noSuchTable:
      "A row belongs to a table of a projection's schema: orders where the name is unique, else "
        + "order_status.orders. A view has no rows of its own; ask for one of the tables that it reads."
    case .rowKey:
      "The values of the primary key stand behind the table, in the order of the key: one word each, or one "
        + "JSON list. A table without a primary key is asked by rowid, a full-text table by its first "
        + "UNINDEXED column."
    case .noReadModel:
      "The question is about the read model as it is, and nothing was folded yet: nobody has run the project "
        + "since the projection was added."
    }
  }

  public var mend: String {
    switch self {
    case .noSuchTable:
      "moontide query \"select * from sys.handlers\" lists the read models; each is a schema."
    case .rowKey: "moontide why TABLE KEY · moontide why order_status.lines o-77 3"
    case .noReadModel: "moontide run --once"
    }
  }
}

extension Diagnostic {
  /// A problem of a question with its next step.
  init(_ code: TraceCode, _ title: String, help: String? = nil) {
    self.init(code: code.code, title, details: [Detail("help", help ?? code.mend)])
  }
}
