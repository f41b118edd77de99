public import MoontideCore

/// The codes of the project, its settings, its processes and the command line.
public enum HostCode: String, ExplainedCode {
  case notADirectory = "E0601"
  case noProject = "E0602"
  case file = "E0603"
  case scriptTooLarge = "E0604"
  case socket = "E0605"
  case connection = "E0606"
  case versions = "E0607"
  case locked = "E0608"
  case output = "E0609"
  case query = "E0610"
  case noSuchDeadLetter = "E0611"
  case noSuchEvent = "E0612"
  case setting = "E0613"
  case partitions = "E0614"
  case noSuchHandler = "E0615"
  case noSuchInstance = "E0616"
  case afterToken = "E0617"
  case notDefined = "E0645"
  case mended = "E0621"
  case cannotRetry = "E0622"
  case noSuchEffect = "E0626"
  case backupTarget = "E0623"
  case backupDamaged = "E0624"
  case frameTooLarge = "E0625"
  case reload = "E0631"
  case archived = "E0632"
  case logReadOnly = "E0501"
  case logDamaged = "E0502"
  case logFormat = "E0503"
  case tooMuch = "E0504"
  case sequenceGap = "E0505"
  case logGap = "E0506"
  case storeDamaged = "E0401"
  case storeSwapped = "E0402"
  case rebuild = "E0403"

  public var title: String {
    switch self {
    case .notADirectory: "a project is a directory"
    case .noProject: "a command needs a project"
    case .file: "the system refused a file"
    case .scriptTooLarge: "a script has a largest size"
    case .socket: "the run cannot be reached by other commands"
    case .connection: "the connection to the running moontide broke"
    case .versions: "the running moontide is of another version"
    case .locked: "one process holds a project's data"
    case .output: "the output takes no more"
    case .query: "the query cannot be answered"
    case .noSuchDeadLetter: "there is no such dead letter"
    case .noSuchEvent: "there is no such event"
    case .noSuchEffect: "there is no such effect"
    case .setting: "moontide.lua has a setting that cannot be used"
    case .partitions: "a topic's partitions are fixed at its creation"
    case .noSuchHandler: "there is no such handler"
    case .noSuchInstance: "there is no such instance of a saga"
    case .notDefined: "a script in the place of another defines the same handler"
    case .mended: "a mended handler has dead letters of its old script"
    case .cannotRetry: "a dead letter cannot be dealt with in this way"
    case .backupTarget: "a backup and a restore overwrite nothing"
    case .backupDamaged: "the backup is damaged or not whole"
    case .frameTooLarge: "processes say only so much at once"
    case .reload: "edited scripts are taken up all at once, or none of them"
    case .archived: "the file of a removed handler is put away until it is back"
    case .afterToken: "the read models did not come past the token in time"
    case .logReadOnly: "the log takes no more until it is reopened"
    case .logDamaged: "the log is damaged"
    case .logFormat: "the log was written by a newer moontide"
    case .tooMuch: "the log has bounds"
    case .sequenceGap: "a producer goes on where it stopped"
    case .logGap: "the log has a gap"
    case .storeDamaged: "the file of a handler is damaged"
    case .storeSwapped: "a consumer's file is not the one that was left here"
    case .rebuild: "read models are rebuilt beside those in use"
    }
  }

  public var meaning: String {
    switch self {
    case .notADirectory: "What was named as the project is not there, or is a file."
    case .noProject:
      "Without -C DIR the project is the working directory, or the nearest one above it, that has a folder "
        + "events/ or a file moontide.lua. There is none."
    case .file:
      "Opening, reading, writing or syncing a file failed; the message has the system's reason. "
        + "What was acknowledged before is on disk."
    case .scriptTooLarge: "A script is read whole and kept by every state that runs it."
    case .socket:
      "A run listens on .moontide/socket so that query, lag and append work beside it. The "
        + "folder does not allow that."
    case .connection:
      "The process that runs the project ended, or was killed, while it answered. What it had "
        + "acknowledged is on disk."
    case .versions: "A command talks to the running process in a format that both must know."
    case .locked:
      "Another moontide process holds data/ by a lock on the folder and on data/lock; deleting that file "
        + "does not undo it. Two writers would tear the log. Commands that read, append and send go through "
        + "the running process by themselves; this one cannot. A run waits a few seconds at its start, "
        + "should it only be a short command that holds the project."
    case .output: "stdout or stderr was closed or its disk is full. The project itself is not harmed."
    case .query:
      "SQLite refused the statement, it reads something that is not there, or it is more than "
        + "the read-only connection allows."
    case .noSuchDeadLetter:
      "A dead letter's id is d- and the position of its event or line in the log. Where several handlers "
        + "failed on one event, d-5@receipts is that of one of them."
    case .noSuchEvent: "No event of the log has that position or id."
    case .noSuchEffect:
      "An effect is named by its key, a handler's name and 32 digits, as effects ls and the Idempotency-Key "
        + "header of its requests show it. The ledger keeps those that are not done, and of those that are "
        + "the last."
    case .setting:
      "The settings are one Lua table of data. A key that is not known, or a value of another "
        + "kind, would otherwise be ignored in silence."
    case .partitions:
      "Changing how many partitions a topic has would move keys to other partitions and break "
        + "the order of a key."
    case .noSuchHandler: "No definition in handlers/ has that name."
    case .notDefined:
      "projection diff --with FILE reads FILE as if it lay where the projection's script lies. It has no "
        + "projection of that name, and none that says it had it."
    case .noSuchInstance:
      "An instance is named by its saga and its correlation value; only one that runs can be cancelled, and "
        + "only one that is stuck can be tried again."
    case .mended:
      "The script was edited since these events failed. Nobody tries them again by himself: mending may "
        + "not be meant for them, and what waits behind them would go on."
    case .cannotRetry:
      "A correction is for one event. What a handler emitted in conflict was dead on its way into the log: "
        + "the event itself was applied and is not applied twice, so such a letter can only be skipped."
    case .backupTarget:
      "backup writes a file that is not there yet; restore fills a project that has no data, or an "
        + "empty folder "
        + "data/. What is there may be the only copy of something."
    case .backupDamaged:
      "A restore proves a backup before it takes its place: every file by its checksum, every byte of "
        + "the log, "
        + "every store. This one is not what was backed up. Nothing was restored."
    case .frameTooLarge:
      "A command and the run that it asks talk in messages, which have a bound so that memory has one. "
        + "One row of an answer, or one command, is larger. A command that was sent may have been decided "
        + "all the same: what is missing is the answer."
    case .reload:
      "A run takes edited scripts up between two batches. What cannot be taken up is refused, or goes on as "
        + "it was, as the message says: events are neither lost nor handled twice."
    case .archived:
      "A handler whose definition is gone leaves a file with what it knows, and for a consumer or a saga "
        + "that exists nowhere else. It is moved to data/archive, never deleted. When the same kind and name "
        + "is defined again, or a new one with was = the old name, that consumer or saga goes on with the "
        + "file that was put away last: from where it stopped, with its state, dead letters and open "
        + "effects, so that no event is handled twice and none is left out. A projection goes on with the "
        + "last file of its version, and the former read model (NAME-TIME.former.sqlite) with it, else it "
        + "is folded anew."
    case .afterToken:
      "The token of an append or a send stands for a position. A read model has not come past it: its "
        + "handler lags, is halted, or nothing runs."
    case .logReadOnly:
      "A write or a flush failed in a way that leaves unknown what is on disk. Nothing that was "
        + "not acknowledged "
        + "counts; a flush that failed is never retried. Opening the log again reads what is really there."
    case .logDamaged:
      "Bytes before the durable end do not have the checksum they were written with: the disk, "
        + "or something else "
        + "that wrote to the file, changed them. Nothing is skipped in silence."
    case .logFormat: "A newer version wrote these files; this one would misread them."
    case .tooMuch: "One event, one batch and the number of topics have bounds so that memory has one."
    case .sequenceGap:
      "Each producer numbers what it writes, so that nothing is written twice or left out. A "
        + "number is missing."
    case .logGap:
      "Somebody repaired a damaged log. What could not be saved has left its positions without a record: "
        + "they are never used again, so that no handler takes another event for one that it has handled."
    case .storeDamaged:
      "SQLite finds the file's structure broken. A read model is derived and can be made anew; "
        + "a consumer's file holds what exists nowhere else. A run makes a damaged or swapped read "
        + "model anew "
        + "by itself."
    case .storeSwapped:
      "A consumer's file holds its checkpoints, state and unsent events, which exist nowhere else. This one "
        + "belongs to another consumer or another log, or has come further than the log reaches. Going on "
        + "with it would handle events twice, or never."
    case .rebuild:
      "A new version of a projection folds the log into a file beside the read model in use, which goes on "
        + "serving and keeps up. Once the new one has caught up and was looked through it takes the place of "
        + "the old one, which is kept for moontide projection rollback. A version that stops on the way, by "
        + "which more events fail than by the old one, or that is not wanted any more, changes nothing."
    }
  }

  public var mend: String {
    switch self {
    case .notADirectory, .noProject: "Name the project with -C DIR, or make one: moontide new NAME"
    case .file: "Check that the path exists, that this user may use it, and that the disk has room: df -h"
    case .scriptTooLarge: "Split the script into modules below lib/ and require them."
    case .socket: "Delete .moontide/ (it holds caches only) and run again."
    case .connection: "Run the command again: it then works on the files, or on the new run."
    case .versions: "Stop the run and start it again with the installed version."
    case .locked:
      "Wait for the process whose pid the message names, or stop it with Ctrl-C; never delete "
        + "data/lock under it."
    case .output: "Send the output to where there is room."
    case .query:
      "Correct the statement where it is marked. moontide query DIR \"select * from sys.handlers\" lists the "
        + "read models; each is a schema with its tables."
    case .noSuchDeadLetter: "moontide dead ls"
    case .noSuchEvent: "moontide events tail"
    case .noSuchEffect: "moontide effects ls --all"
    case .setting: "Correct moontide.lua at the place shown; moontide check reports all problems at once."
    case .partitions:
      "Set the topic's partitions back in moontide.lua, or export its events into a new topic: "
        + "moontide events export --topic T --output FOLDER"
    case .noSuchHandler: "moontide handlers"
    case .notDefined:
      "Name the file that defines it. A renamed projection keeps its identity by was = \"OLD NAME\"."
    case .noSuchInstance: "moontide saga ls shows the instances and how they stand."
    case .mended:
      "moontide dead retry NAME --dry-run says what would happen; moontide dead retry NAME does it."
    case .cannotRetry: "moontide dead show ID · moontide dead skip ID --reason TEXT"
    case .backupTarget: "Name another file, or move data/ of the project away first."
    case .backupDamaged:
      "Take another backup. A tar archive can be looked into: tar tvf FILE; what of it is sound can be "
        + "taken out "
        + "by hand and judged with moontide doctor."
    case .frameTooLarge:
      "Ask for less: fewer or shorter columns, no --explain. Sending a command again under the same id "
        + "gets its outcome."
    case .reload: "Mend what the message names; moontide check reports all problems at once."
    case .archived:
      "Delete the file in data/archive when nobody needs it. To have the handler back put the script "
        + "back. To have it begin anew move the file out of data/archive first: it then handles all events "
        + "that its `from` says, effects included."
    case .afterToken: "moontide lag shows who is behind; start moontide run if nothing runs."
    case .logReadOnly: "See to the disk, then run again: recovery drops only what was never acknowledged."
    case .logDamaged:
      "moontide events verify lists every damaged place. Restore a backup; without one, moontide events "
        + "repair says what could be kept and what would be given up, and does so with --yes."
    case .logFormat: "Install the version that wrote it, or a newer one."
    case .tooMuch: "Split the event, or put the large part elsewhere and its address into the event."
    case .logGap:
      "data/repairs/ has the damaged files and a report. Events whose source is still there come again when "
        + "it is copied under another name in events/."
    case .sequenceGap: "This is a fault of moontide: keep data/ and report it."
    case .storeDamaged:
      "Delete a read model (data/readmodels/NAME.sqlite): the next run rebuilds it. Restore a "
        + "consumer's file from a backup."
    case .storeSwapped:
      "Put the right file back (moontide restore has it in a backup, with its log). Without one, move "
        + "the file "
        + "away: the consumer then begins anew where its `from` says, without its state."
    case .rebuild:
      "moontide handlers shows how far a rebuild is. After one that stopped, mend the script: "
        + "moontide check, moontide dead ls; then moontide projection rebuild NAME, which also takes one by "
        + "which events fail."
    }
  }
}

extension Diagnostic {
  /// A problem of this room with its next step.
  init(_ code: HostCode, _ title: String, at place: SourcePlace? = nil, help: String? = nil) {
    self.init(code: code.code, title, at: place, details: [Detail("help", help ?? code.mend)])
  }

  /// What is to be known, and is no error.
  init(_ code: HostCode, severity: Severity, _ title: String, details: [Detail] = []) {
    self.init(severity, code: code.code, title, details: details)
  }
}

/// Several problems at once: what keeps a project from being opened.
public struct ProjectFault: Error, Sendable {
  /// At least one.
  public var problems: [Diagnostic]
  public init(_ problems: [Diagnostic]) {
    precondition(!problems.isEmpty, "a fault has at least one problem")
    self.problems = problems
  }
}

extension ProjectFault: CustomStringConvertible {
  public var description: String { problems.map(\.description).joined(separator: "\n") }
}
