/// The texts of this room's codes: what happened, why, and what to do.
struct CodeExplanation {
  /// One line.
  var title: String
  var what: String
  var help: String

  init(_ title: String, what: String, help: String) {
    self.title = title
    self.what = what
    self.help = help
  }

  static func of(_ code: RuntimeCode) -> CodeExplanation {
    ofScript(code) ?? ofValue(code) ?? ofUpcaster(code) ?? ofGuidance(code) ?? ofEffect(code) ?? ofFailure(
      code)
      ?? ofRunning(code)
  }

  private static func ofScript(_ code: RuntimeCode) -> CodeExplanation? {
    switch code {
    case .syntax:
      .init(
        "a script is not Lua",
        what: "The file does not parse, so nothing of it was loaded; the other "
          + "files were checked as usual.", help: "Mend the line that is shown, then `moontide check`.")
    case .loadFailed:
      .init(
        "a script failed while it was loaded",
        what: "Handler files run once, at load, to register "
          + "their definitions. This one raised an error before it was through.",
        help: "Only constructors, `require` from lib/ and plain Lua are available at load.")
    case .loadBudget:
      .init(
        "a script used up its budget while it was loaded",
        what: "Loading has the same instruction, "
          + "time and memory budget as one event.",
        help: "Move work into the handler, or raise `budget` in "
          + "moontide.lua.")
    case .scriptTooLarge:
      .init(
        "a script is too large",
        what: "A script file has a bound, since it is loaded into every state.",
        help: "Keep tables of values in events or in the read model instead of in code.")
    case .unknownKey:
      .init(
        "a definition has a key that means nothing",
        what: "A mistyped key would be ignored silently, "
          + "so every key must be known.", help: "Use the key that is suggested, or remove it.")
    case .wrongKind:
      .init(
        "a value has the wrong kind",
        what: "The key is known, but its value is of another kind than "
          + "it takes.", help: "The message says which kind is wanted.")
    case .badValue:
      .init(
        "a value is out of its range",
        what: "The value has the right kind but does not mean anything "
          + "there.", help: "The message gives the range or the words that are allowed.")
    default: nil
    }
  }

  private static func ofValue(_ code: RuntimeCode) -> CodeExplanation? {
    switch code {
    case .missingKey:
      .init(
        "a definition lacks a key that it needs", what: "Without it the definition would do nothing.",
        help: "Add the key that is named.")
    case .badName:
      .init(
        "a name cannot be used",
        what: "Names become file names and SQL schemas: a-z, 0-9 and _, with a "
          + "letter first; main, temp and sys are taken.",
        help: "Choose another name; `was` carries what the "
          + "old one kept.")
    case .duplicate:
      .init(
        "two definitions share a kind and a name",
        what: "Each handler has one file of its own, found "
          + "by its name.", help: "Rename one of them, or remove it.")
    case .laterVersion:
      .init(
        "this kind comes in a later version",
        what: "Deciders and sagas are described already but not "
          + "built yet.", help: "Keep the file outside handlers/ until then.")
    case .upcasterGap:
      .init(
        "an upcaster's chain has a gap",
        what: "Function [n] leads from version n to n+1; every event "
          + "must reach the newest version.", help: "Add the step that is missing.")
    case .badSchema:
      .init(
        "a projection's SQL is refused",
        what: "The schema was tried on an empty database and failed at "
          + "the place shown.", help: "Mend the SQL, then `moontide check`.")
    case .unknownKind:
      .init(
        "there is no such kind of handler",
        what: "A script registered something this version does not "
          + "know.", help: "The kinds are projection, consumer and upcaster.")
    case .startMissing:
      .init(
        "a consumer that is new to this log must say where it begins",
        what: "There are events in the "
          + "log already, and reacting to old ones is not always wanted: mails would go out for years past.",
        help: "Write from = \"start\", from = \"now\" or from = \"2026-11-17\" in the consumer.")
    case .renameConflict:
      .init(
        "a renamed definition takes the place of one that is gone",
        what: "`was` carries checkpoint, state and identity over from the old name, and the ids of what a "
          + "handler makes come from its identity: two definitions cannot have the same one.",
        help: "Remove the definition of the old name in the same edit. For a copy that begins anew leave "
          + "`was` out.")
    case .fileLocalAssigned:
      .init(
        "a function assigns a local of its file",
        what: "Nothing survives between events but the read "
          + "model and ctx.state: a state may be replaced at any time, and every lane has its own.",
        help: "Keep the value in the read model, or in ctx.state.")
    default: nil
    }
  }

  private static func ofFailure(_ code: RuntimeCode) -> CodeExplanation? {
    switch code {
    case .instructionBudget:
      .init(
        "a handler used up its instructions",
        what: "One event may run so many Lua instructions; a loop "
          + "without an end stops there. It counts as a failure of the handler.",
        help: "Look for the loop at the place shown, or raise budget.instructions in moontide.lua.")
    case .timeBudget:
      .init(
        "a handler used up its time",
        what: "One event may take so long, its SQL included. What is late is stopped wherever it is: a "
          + "statement in its loop, Lua amid an instruction.",
        help: "Look at the queries of the handler, or raise budget.time in moontide.lua.")
    case .memoryBudget:
      .init(
        "a handler used up its memory", what: "A Lua state may hold so many bytes.",
        help: "Build less at once, or raise budget.memory in moontide.lua.")
    case .storeRefused:
      .init(
        "the store refused a call",
        what: "The SQL or the values of a `db` or `ctx.state` call are wrong, or beyond a bound: a statement "
          + "has at most 16 KiB and 128 columns, a value 4 MiB, an answer 64 MiB; a search is short, without "
          + "NEAR.",
        help: "The message is the database's; mend the call at the place shown.")
    case .constraint:
      .init(
        "a constraint of the schema failed",
        what: "A row breaks NOT NULL, UNIQUE, CHECK or a foreign "
          + "key of the projection's schema.", help: "Mend the handler, or widen the schema.")
    case .emitRefused:
      .init(
        "an event or command cannot be made as it is",
        what:
          "What is emitted, sent or decided is checked when it is made: type, id, key, time, version, "
          + "topic, size. A decision writes to its own stream alone; a command goes to its decider and has "
          + "no topic.",
        help: "The message gives the rule and the value.")
    case .emitTooMany:
      .init(
        "one event or decision makes too many",
        what: "What one event causes, or one decision makes, is written at once and has a bound.",
        help: "Make one event that carries the list, and split it in a further handler.")
    case .causationDepth:
      .init(
        "a chain of events causing events is too long",
        what: "Most likely two handlers answer each "
          + "other for ever. The chain ends in a dead letter instead.",
        help: "Break the loop, or raise causation_depth in moontide.lua.")
    default: nil
    }
  }

  private static func ofRunning(_ code: RuntimeCode) -> CodeExplanation {
    switch code {
    case .halted:
      .init(
        "a handler stopped at an event that fails",
        what: "It says exhausted = \"halt\": nothing behind "
          + "the event is handled until it passes. The event is a dead letter: `moontide dead ls`.",
        help: "Mend the script and start again, or `moontide dead retry`, `edit` or `skip`.")
    case .heldTooMany:
      .init(
        "too many events wait behind parked keys",
        what: "Events of a key wait in order behind the one "
          + "that fails; how many has a bound.",
        help: "Look at `moontide dead ls`, mend the script, `moontide dead retry`.")
    case .outboxConflict:
      .init(
        "an emitted event or sent command is in conflict",
        what: "The log holds another one under this id; the first "
          + "stays. The rest of the outbox went on.",
        help: "Let the runtime make the ids, or make them from "
          + "what differs.")
    case .storeBroken:
      .init(
        "a handler's file cannot be used",
        what: "Reading or writing it failed, or it is damaged. The "
          + "handler stopped; the log is not touched.",
        help: "See `moontide doctor`. A read model may be "
          + "deleted: it is rebuilt from the log.")
    case .storeFull:
      .init(
        "the system is short of room on the disk, or of file descriptors",
        what:
          "Nothing is lost: who meets it rolls back what was begun, waits, and goes on by itself when there "
          + "is room again, without a restart. Files of events keep their lines meanwhile. A read model "
          + "that is rebuilt beside the one in use gives up its room first, and begins again later.",
        help: "Free some space (df -h), or raise the limit of open files (ulimit -n); nothing else is needed."
      )
    case .logBroken:
      .init(
        "the log cannot be read or written", what: "Handlers stop rather than miss an event.",
        help: "See `moontide events verify` and `moontide doctor`.")
    case .unknownField:
      .init(
        "a handler asks for a field that the event does not have",
        what: "A field whose name is very "
          + "near is there, so this may be a slip.", help: "Mend the name if it is one.")
    default: ofDecider(code)
    }
  }

  private static func ofDecider(_ code: RuntimeCode) -> CodeExplanation {
    switch code {
    case .commandConflict:
      .init(
        "an id names one command for ever",
        what:
          "The log holds a command under this id that has another type, version, key, time (if one was "
          + "given) or data. Ids are how a resend is told from a new command: the first keeps its answer, "
          + "and this one was not carried out.",
        help: "Send the new command under an id of its own; send the first one again as it was.")
    case .streamBusy:
      .init(
        "a stream was written to all the time",
        what: "A decision is only written when its stream is as it was when it was made. Others wrote to it "
          + "again and again meanwhile, so nothing was decided.",
        help: "Send it again under the same id; leave the writing of a decider's topic to the decider.")
    case .sagaMisfit:
      .init(
        "open instances of a saga stand on steps that the script no longer has",
        what:
          "An instance knows its steps by name and order, and its timers by name. The edited script lacks "
          + "one that was begun or set, or has a step elsewhere, so that it is not known what to wait for "
          + "and what to undo. Nothing was changed. New steps may be added at any time.",
        help:
          "Put the steps back, by name and order, until those instances have ended: moontide saga ls. Or say "
          + "migrate = function(state, step, status) … end in the saga: it is called once for each such "
          + "instance and returns the state (or nothing) and the name of the step to go on with (false: "
          + "behind the last; nothing: the same). What was done stays done under its name; where it raises, "
          + "the instance is parked with a dead letter. Or say pin = true: those instances end by the script "
          + "that they stand by, which is kept until the last of them has ended.")
    case .deciderEnded:
      .init(
        "the decider ended before it came to the command",
        what: "The run was stopped, or the decider halted. The command may have been decided or not.",
        help: "Send it again under the same id: it has one outcome, however often it is sent.")
    case .decisionLate:
      .init(
        "the decider did not come to the command in time",
        what: "It has others before it, or waits for room on the disk. It may still decide the command.",
        help: "Send it again under the same id: it has one outcome, however often it is sent. "
          + "`moontide handlers` shows what is before the decider.")
    default:
      .init(
        "a handler failed",
        what: "The script raised an error, or did what Lua refuses, such as indexing "
          + "nil. Its rows and effects of this event were undone.",
        help: "A consumer's event is retried and then a dead letter; a projection's is set aside at once. "
          + "`moontide dead show` has the event; mend the script, then `moontide dead retry` (or correct "
          + "the event with `dead edit`, or give it up with `dead skip`).")
    }
  }
}
