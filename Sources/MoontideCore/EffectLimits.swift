/// Bounds of effects.
extension Limits {
  /// Effects that one event may have.
  public static let effectsPerEventMax = 100
  /// The request of one effect as JSON: it is kept in the ledger and held in memory while it is performed.
  public static let effectRequestBytesMax = 1 << 20
  /// The URL of a request, longer than servers take.
  public static let effectURLBytesMax = 8 << 10
  /// Headers of one request, and variables of one program; real ones have a handful.
  public static let effectHeadersMax = 64
  /// Arguments of one program.
  public static let effectArgumentsMax = 256
  /// What is kept of a response's body, and of each output of a program: handlers look at ids and messages.
  public static let effectResponseBytesMax = 64 << 10
  /// Bytes of a response that are read at all: what is longer is refused as a failed try.
  public static let effectReadBytesMax = 16 << 20
  /// Headers of a response that are kept, in bytes of names and values.
  public static let effectHeaderBytesMax = 8 << 10
  /// An error of a try as the ledger keeps it.
  public static let effectErrorBytesMax = 1 << 10
  /// What one try may take unless it says otherwise.
  public static let effectTimeDefault = Duration.seconds(30)
  /// The longest that it may say.
  public static let effectTimeMax = Duration.seconds(600)
  /// How long a target may have others wait by `Retry-After`.
  public static let retryAfterMax = Duration.seconds(3_600)
  /// Effects of one handler that are performed side by side.
  public static let effectsAtOncePerHandler = 16
  /// Effects of all handlers that are: sockets and processes are held for each.
  public static let effectsAtOnceMax = 64
  /// Open effects of one handler that are held in memory by number and key; later ones wait in the file.
  public static let effectsQueuedMax = 50_000
  /// Results that are written in one batch of the log, and are held until they are.
  public static let effectsPerNoteMax = 256
  /// Their bytes, beside the last one: what a batch of the log takes, less the largest result.
  public static let effectNoteBytesMax = 4 << 20
  /// Effects that are done and stay in the ledger, for people; the log keeps all results.
  public static let effectsKeptMax: UInt64 = 100_000
  /// Tries of one target, of whatever effects, that fail one behind the other before its circuit opens.
  public static let circuitFailures = 5
  /// How long an open circuit rests before it lets one try through: doubled with each that fails.
  public static let circuitRest = Duration.seconds(1)
  /// The longest rest.
  public static let circuitRestMax = Duration.seconds(30)
  /// How long an effect lets an open circuit hold it back, from its due time on: then it is tried all the
  /// same.
  public static let circuitPatience = Duration.seconds(900)
  /// The same where a run is to come to an end.
  public static let circuitPatienceOnce = Duration.seconds(5)
  /// Targets whose circuits are remembered; those that fail nothing are forgotten first.
  public static let circuitsMax = 10_000
  /// Values of the environment shorter than this are no secrets, and are not redacted: every second text has
  /// a "1".
  public static let secretBytesMin = 4
  /// Words of a URL's path and query from so many bytes on are secrets, when there is a digit in them: tokens
  /// of web hooks are longer, names of resources shorter.
  public static let secretWordBytesMin = 12
  /// Backslashes before a character of a secret: JSON in JSON in JSON has seven.
  public static let secretEscapesMax = 8
  /// One character of a secret as it may be written: four bytes in percents, escaped four times over.
  public static let secretCharacterBytesMax = 36
  /// Letters of base64 that are taken for a secret: fewer stand in every second text.
  public static let secretBase64Min = 6
  /// One value of the environment.
  public static let secretBytesMax = 64 << 10
  /// How long a run that ends waits for the effects that are being performed; the rest is performed again.
  public static let effectDrainTime = Duration.seconds(5)
}
