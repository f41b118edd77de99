import MoontideCore

/// What the command line itself may say no with: E069x.
enum CommandCode: String, ExplainedCode {
  case time = "E0691"
  case folderNotEmpty = "E0692"
  case unknownCode = "E0693"
  case zone = "E0694"
  case newProject = "E0695"
  case crashPoint = "E0696"
  case dotCommand = "E0697"
  case replFile = "E0698"
  case replInput = "E0690"

  var title: String {
    switch self {
    case .time: "this is not a time"
    case .folderNotEmpty: "a new project needs a folder of its own"
    case .unknownCode: "no error has this code"
    case .zone: "this is not a time zone"
    case .newProject: "the new project could not be written"
    case .crashPoint: "MOONTIDE_CRASH_AT names no place to die at"
    case .dotCommand: "the REPL has no such command, or not with these arguments"
    case .replFile: "the REPL cannot read or write a file"
    case .replInput: "the REPL cannot take this input"
    }
  }

  var meaning: String {
    switch self {
    case .time:
      """
      Times are written as RFC 3339 (2026-11-17T09:14:03Z), as a day (2026-11-17), as a span before now \
      (-2h, -1h30m, -3d), in words (now, today, yesterday, tuesday, last tuesday), as a position of the log \
      (#48211) or as topic/partition@offset (orders/1@1042).

      A day stands for its end in --as-of and --as-known, for its start everywhere else. Days and times \
      without an offset are in UTC unless --tz says otherwise.
      """
    case .folderNotEmpty:
      """
      `moontide new NAME` writes into a folder that is new or empty; nothing that is there is ever \
      overwritten.
      """
    case .unknownCode:
      "Codes are E and four digits, as errors show them in brackets: error[E0301]."
    case .zone:
      """
      A zone is UTC, an offset such as +02:00, or a name of the system's zone files such as Europe/Berlin.
      """
    case .newProject:
      """
      The file system refused a folder or a file. What was written before stays where it is; nothing that \
      was there earlier was touched.
      """
    case .dotCommand:
      """
      A line of the REPL that begins with a dot is one of its commands. .help lists them, .help COMMAND tells \
      more about one.
      """
    case .replFile:
      """
      .output, .run and .save work on files with the rights of whoever runs the REPL. The system refused one; \
      nothing else has changed.
      """
    case .replInput:
      """
      A statement, or a line of Lua, has at most 1 MiB. SQL ends with a semicolon, Lua at the end of its line \
      unless it is not whole there. .live and .tail draw on a terminal and read nothing else.
      """
    case .crashPoint:
      """
      For testing recovery: with MOONTIDE_CRASH_AT=NAME:N in its environment a process kills itself by SIGKILL \
      when it comes to that place for the N-th time (1 without a number), as a power cut or the system might \
      at any moment. Whatever the place, the next start goes on without a loss or a repetition. The names:

      \(CrashPoint.allCases.map(\.rawValue).joined(separator: " · "))
      """
    }
  }

  var mend: String {
    switch self {
    case .time: "Write one of the forms above; in a shell, put # and words with blanks in quotes: '#48211'."
    case .folderNotEmpty: "Take another name, or empty the folder first."
    case .unknownCode: "List all codes: moontide explain"
    case .newProject: "Mend what the message names, delete the unfinished folder, and run it again."
    case .crashPoint: "Take one of these names, or unset MOONTIDE_CRASH_AT."
    case .dotCommand: "Write it as .help COMMAND shows it."
    case .replFile: "Name another file, or mend what the message names."
    case .replInput: "Close what was opened (a quote, a bracket), or give it to moontide query."
    case .zone: "Use +HH:MM, or a name from /usr/share/zoneinfo (package tzdata)."
    }
  }
}
