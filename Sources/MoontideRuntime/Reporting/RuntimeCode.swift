public import MoontideCore
public import MoontideLua

/// Every code that this room reports; see `CodeExplanation` for the texts.
public enum RuntimeCode: String, ExplainedCode {
  // Scripts and definitions.
  case syntax = "E0101"
  case loadFailed = "E0102"
  case loadBudget = "E0103"
  case scriptTooLarge = "E0104"
  case unknownKey = "E0110"
  case wrongKind = "E0111"
  case badValue = "E0112"
  case missingKey = "E0113"
  case badName = "E0114"
  case duplicate = "E0115"
  case laterVersion = "E0116"
  case upcasterGap = "E0117"
  case badSchema = "E0118"
  case unknownKind = "E0119"
  case startMissing = "E0120"
  case renameConflict = "E0121"
  case fileLocalAssigned = "E0131"
  // Upcasters.
  case upcasterCircle = "E0141"
  case wantsWithoutPath = "E0142"
  case storedWithoutPath = "E0143"
  case newerThanKnown = "E0144"
  case versionUnsaid = "E0145"
  case renamedAway = "E0146"
  case upcasterUnforeseen = "E0147"
  // What `check` advises.
  case eventName = "E0151"
  case commandName = "E0152"
  case thinEvent = "E0153"
  case unreadTypes = "E0154"
  case commandWithoutDecider = "E0155"
  // Handlers at work.
  case runtimeError = "E0301"
  case instructionBudget = "E0302"
  case timeBudget = "E0303"
  case memoryBudget = "E0304"
  case storeRefused = "E0305"
  case constraint = "E0306"
  case emitRefused = "E0307"
  case emitTooMany = "E0308"
  case causationDepth = "E0309"
  case halted = "E0310"
  case heldTooMany = "E0311"
  case outboxConflict = "E0312"
  case storeBroken = "E0313"
  case storeFull = "E0314"
  case logBroken = "E0315"
  case unknownField = "E0330"
  // Effects.
  case effectRefused = "E0370"
  case effectTooMany = "E0371"
  case effectGivenUp = "E0372"
  case effectVariableUnset = "E0373"
  case effectTargetRests = "E0374"
  // Deciders at work.
  case commandConflict = "E0340"
  case streamBusy = "E0341"
  case deciderEnded = "E0342"
  case decisionLate = "E0343"
  // Sagas at work.
  case sagaMisfit = "E0350"

  /// Warnings are what may be meant so.
  public var severity: Diagnostic.Severity {
    switch self {
    case .effectGivenUp, .fileLocalAssigned, .unknownField, .storeFull, .storedWithoutPath, .newerThanKnown,
      .versionUnsaid,
      .renamedAway, .eventName, .commandName, .thinEvent, .unreadTypes:
      .warning
    default: .error
    }
  }

  public var title: String { CodeExplanation.of(self).title }
  public var meaning: String { CodeExplanation.of(self).what }
  public var mend: String { CodeExplanation.of(self).help }

  /// The next step where there is no nearer one.
  var explanation: String { "moontide explain \(rawValue)" }

  /// The code that a fault of Lua has while a handler runs.
  public static func text(of kind: LuaFault.Kind) -> String {
    switch kind {
    case .refused(let code): code
    case .instructionBudget: instructionBudget.rawValue
    case .timeBudget: timeBudget.rawValue
    case .memoryBudget: memoryBudget.rawValue
    case .syntax: syntax.rawValue
    case .runtime: runtimeError.rawValue
    }
  }
}
