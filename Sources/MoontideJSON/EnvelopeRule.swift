public import MoontideCore

/// The rules that a line of the event directory (or an event that is appended or emitted) can break, and the
/// faults of the files themselves. What breaks one is quarantined; the lines around it are taken.
public enum EnvelopeRule: String, ExplainedCode {
  case syntax = "E0201"
  case object = "E0202"
  case encoding = "E0203"
  case byteOrderMark = "E0204"
  case nul = "E0205"
  case number = "E0206"
  case depth = "E0207"
  case length = "E0208"
  case missing = "E0209"
  case conflict = "E0210"
  case kind = "E0211"
  case twice = "E0212"
  case unknown = "E0213"
  case size = "E0214"
  case version = "E0215"
  case time = "E0216"
  case specversion = "E0217"
  case binaryData = "E0218"
  case compression = "E0219"
  case topicFolder = "E0220"
  case sourceFile = "E0221"
  case unfinishedLine = "E0222"
  case noDecider = "E0223"
  case streamKey = "E0224"

  /// The fields of an event's line, in the order in which they are written.
  public static let fieldNames = [
    "id", "source", "type", "version", "key", "time", "data", "meta", "recorded", "traceparent",
    "correlationid", "causationid", "specversion",
  ]

  public var title: String {
    switch self {
    case .syntax: "a line must be JSON (RFC 8259)"
    case .object: "a line must be one JSON object"
    case .encoding: "text must be UTF-8"
    case .byteOrderMark: "a line must not begin with a byte order mark"
    case .nul: "a line must not hold NUL bytes"
    case .number: "a number must fit: integers into 64 bits, others into a double"
    case .depth: "values may be nested \(Limits.jsonDepthMax) deep"
    case .length: "a line may have at most \(Limits.eventBytesMax) bytes"
    case .missing: "an event must have `id`, `type` and `data`"
    case .conflict: "an identity has one body"
    case .kind: "a field must have the kind that the envelope gives it"
    case .twice: "a field may be given once"
    case .unknown: "an event has no other fields than those of the envelope"
    case .size: "a field must have the size that the envelope gives it"
    case .version: "`version` must be an integer from 1 to \(Limits.eventVersionMax)"
    case .time: "`time` must be RFC 3339"
    case .specversion: "the `specversion` of a CloudEvent must be \"1.0\""
    case .binaryData: "a CloudEvent must carry a JSON object in `data`"
    case .compression: "a .gz file must be sound"
    case .topicFolder: "a folder of events must have the name of a topic"
    case .sourceFile: "a file of events must be readable"
    case .unfinishedLine: "a line must end with a newline"
    case .noDecider: "a command must have a decider"
    case .streamKey: "a command must name its stream"
    }
  }

  public var meaning: String {
    switch self {
    case .conflict:
      """
      Topic, `source` and `id` identify an event. The log already holds an event of this identity with \
      another \
      body (type, version, key, time or data). The first one stays; this line is quarantined as a conflict, \
      with the position of the event that it contradicts.
      """
    case .number:
      """
      Integers beyond 64 bits cannot be kept exactly by Lua, SQLite or most JSON readers, and Moontide never \
      rounds a number. The line is quarantined; the reason names the number and its path.
      """
    case .unknown:
      """
      A field that the envelope does not know is most often a misspelt one, and taking the line would \
      lose it. \
      The line is quarantined.
      """
    case .compression:
      """
      Unpacking the file failed. The lines before the damage were taken; what comes behind it cannot be \
      read. \
      The place is quarantined, and the file is left alone until it changes.
      """
    case .topicFolder:
      """
      A folder below events/ feeds the topic of its name: 1 to \(Limits.topicNameBytesMax) of the characters \
      A-Z a-z 0-9 . _ -, not beginning with `_`. The files in this folder are not read.
      """
    case .sourceFile:
      "The file system refused to open or read the file. The other files are read; this one is tried again."
    case .noDecider:
      """
      A command goes to the one decider whose `decide` has a function for its type, and there is none. The \
      command was not taken, since nobody would ever answer it; a line of a file is quarantined. One that \
      was taken while it had a decider, which is gone since, waits until a decider takes its type.
      """
    case .streamKey:
      """
      The decider says by `key` which field of a command's data names the stream that it changes: a text or \
      a whole number. A command without it belongs to no stream and was not taken, nor was one whose own \
      `key` says another stream.
      """
    case .unfinishedLine:
      """
      The last line of the file has no newline yet, so it may be half a line that is still being written. \
      It is \
      not taken until its newline is there.
      """
    default:
      """
      \(title). The line was set aside in the quarantine with its file, byte offset, line number, reason \
      and raw \
      bytes; the lines around it were taken.
      """
    }
  }

  public var mend: String {
    switch self {
    case .conflict:
      "Compare both with `moontide dead show`; give the new fact an id of its own and append it."
    case .number:
      """
      Write the number as a string, or with a fraction if rounding is meant; append the line again.
      """
    case .compression:
      "Replace the file by a sound one: events that are already known are recognised and not taken twice."
    case .noDecider: "Mend the type, or write the decider; then retry the line, or send the command again."
    case .streamKey: "Give the command the field that its decider names, then send it again."
    case .topicFolder: "Rename the folder."
    case .sourceFile: "Mend the file's permissions or the disk."
    case .unfinishedLine: "End the line with a newline."
    default:
      """
      `moontide dead ls` lists such lines, `moontide dead show` shows one; mend it in its file and \
      `moontide dead retry ID`, or give a mended one: `moontide dead edit ID -d LINE`.
      """
    }
  }
}
