/// Every bound of the runtime, with its unit and its reason.
public enum Limits {
  // MARK: Envelope

  /// Names become folder names and SQL values; 64 fits every file system and every screen.
  public static let topicNameBytesMax = 64
  /// An id or a key longer than this is a payload; indexes and errors show them whole.
  public static let identityBytesMax = 1024
  /// One event type names one Lua function.
  public static let typeBytesMax = 256
  /// RFC 3339 with nanoseconds and an offset needs 35.
  public static let timeBytesMax = 64
  /// One event. The largest real one seen is 103 kB; SQLite, Lua budgets and batches want a bound.
  public static let eventBytesMax = 4 << 20
  /// What of a line that was too long, or bad, is kept with its quarantine record.
  public static let quarantineBytesMax = 64 << 10
  /// Nesting of JSON; simdjson's default is 1024, and Lua's C stack allows 200 C calls.
  public static let jsonDepthMax = 128
  /// A version number of an event type.
  public static let eventVersionMax: UInt32 = 1_000_000

  // MARK: Log

  /// Kafka's habit of small counts; every handler holds a checkpoint per partition.
  public static let partitionsMax: UInt16 = 1024
  public static let partitionsDefault: UInt16 = 8
  public static let topicsMax = 4096
  /// One batch of the log: what a single flush covers at most, and what a reader holds.
  public static let batchBytesMax = 8 << 20
  public static let batchRecordsMax = 16_384
  /// A segment file is closed at this size, so that recovery and copies work on parts.
  public static let segmentBytesMax: UInt64 = 256 << 20
  /// simdjson reads up to this many bytes beyond its input.
  public static let parserPaddingBytes = 64

  // MARK: Ingest

  /// What is read of a file at once: about 1,000 events of 340 bytes, where one append and one flush are
  /// cheap.
  public static let ingestChunkBytes = 384 << 10
  /// A batch is closed at this size, or with so many lines: short lines must not make an endless one.
  public static let ingestBatchBytes = 512 << 10
  public static let ingestBatchLinesMax = 4_096
  /// Batches between reader and log; more only cost memory.
  public static let ingestBatchesMax = 4
  /// How much of a file's beginning identifies it.
  public static let sourceHeadBytes = 4 << 10
  /// What is read of a packed file at once.
  public static let unpackBytes = 64 << 10
  /// Folders below the event directory; a loop of links ends here.
  public static let eventFolderDepthMax = 16
  /// Problems that are remembered for showing; further ones are only counted.
  public static let problemsMax = 1_000

  // MARK: Indexes of the log

  /// Entries of an index in memory before it is sealed into a run on disk: 2^18 of them take 15 MB, and
  /// ten million events make fewer than ten runs with merges of four.
  public static let indexSealEntries = 1 << 18
  /// Sealed tables that may wait for the background before an append writes one itself.
  public static let indexFrozenMax = 2
  /// Runs of one size that are merged into one; every lookup asks each run.
  public static let indexMergeWidth = 4
  /// Bits of a run's filter for each entry: about one false hit in a thousand.
  public static let indexFilterBits = 16
  /// Bytes of a segment between two marks of its sparse index: what a seek reads in vain at most, unless a
  /// batch is larger.
  public static let markBytes: UInt64 = 128 << 10
  /// Offsets of a partition between two marks.
  public static let offsetMarkInterval: UInt64 = 512
  /// Problems that one verification lists; damage that is everywhere need not be told byte by byte.
  public static let verifyProblemsMax = 1_000
  /// Bytes of a record or preamble in which a repair looks for one flipped bit: all bits are tried, half a
  /// second for this many, and of other damage one in 65,000 would pass for it.
  public static let repairRecordBytesMax = 8 << 10
  /// Places and lost records that the report of a repair names; more are counted. What names ten thousand is
  /// read by a program.
  public static let repairPlacesMax = 10_000

  // MARK: Reading

  /// One read of a handler: enough to amortise a transaction, small enough for memory.
  public static let readBytesMax = 4 << 20
  public static let readRecordsMax = 5_000
  /// One read of a key: eight of the largest events. Where there is no index each read goes through the log,
  /// so that many small ones would cost more than they spare.
  public static let keyReadBytesMax = 32 << 20
  /// The same when a handler is far behind: larger transactions merge more writes of a row.
  public static let readRecordsDeepMax = 20_000
  public static let readBytesDeepMax = 8 << 20
  /// From this lag on a handler is far behind, in records.
  public static let deepLag: UInt64 = 100_000

  // MARK: Handlers

  /// A handler's name is a file name and a schema of SQL; as long as a topic's.
  public static let handlerNameBytesMax = 64
  /// Columns of one table that `put` can name; a bit mask of 64 holds them.
  public static let columnsMax = 64
  /// Events that one event may emit.
  public static let emittedPerEventMax = 1_000
  /// Bytes of all that one event emits: they are held in memory until its transaction is written.
  public static let emittedBytesPerEventMax = 16 << 20
  /// A real chain of events has a handful; a loop has no end.
  public static let causationDepthDefault = 32
  public static let causationDepthMax = 10_000
  /// Events that an upcaster may split one into.
  public static let splitPartsMax = 256
  /// Events that one stored event may become in all, split after split.
  public static let reshapedPartsMax = 1_024
  /// Renames and splits one behind the other before an event is a handler's: a real history has a handful, a
  /// circle has no end.
  public static let reshapesPerEventMax = 32
  /// Bytes of the states of streams that a decider keeps at hand; some 60,000 small ones.
  public static let streamCacheBytesMax = 16 << 20
  /// A snapshot after more events than this would be none.
  public static let snapshotEveryMax = 1_000_000
  /// How often a decision is made anew because its stream has moved on meanwhile: others write to it only by
  /// files and relays, a batch at a time.
  public static let decisionTriesMax = 100
  /// Keys whose number of records the log remembers for conditional appends; 2 MB.
  public static let versionsRememberedMax = 1 << 16
  /// Commands that are decided before their decisions are made durable together: some 10 ms of work.
  public static let commandsPerFlushMax = 256
  /// Events that may wait behind one parked key before the handler halts.
  public static let heldPerKeyMax = 100_000
  /// An error's message as it is kept.
  public static let errorTextBytesMax = 4 << 10
  /// What `print` may write for one event.
  public static let printBytesMax = 4 << 10
  public static let lanesMax = 64
  /// Steps of one saga, those side by side included: a process that people can follow has a dozen.
  public static let sagaStepsMax = 100
  /// Notes that an instance keeps of what came late or twice, the last ones: they are for people.
  public static let sagaNotesMax = 20
  /// Timers that one instance may have set at once by `ctx.timer`.
  public static let sagaTimersMax = 100
  /// Commands that one function of a saga may return.
  public static let sagaCommandsMax = 100
  /// What the instances of one event may ask for one after another: a step that is done at once leads to the
  /// next, and more than all steps there and back is a loop of ours.
  public static let sagaActionsMax = 1_000
  /// Instances of a saga that are remembered from one transaction to the next: those under way in a backlog,
  /// some 25,000 of them, within the goal for RSS.
  public static let sagaMemoryBytesMax = 32 << 20
  /// Instances that are migrated in one transaction: a kill repeats at most these.
  public static let sagaMigrationsPerCommit = 64
  /// Versions of its script that a saga runs beside today's for instances that end by them: each is a Lua
  /// state of its own.
  public static let sagaPinnedVersionsMax = 16
  /// What a saga's file keeps of one version of its script; far more than people write.
  public static let sagaSourcesBytesMax = 16 << 20
  /// Instances that ended and are kept whole, for people and for what comes late; of others the correlation
  /// value stays, so that none begins a second time.
  public static let sagasKeptMax = 100_000
  /// How many more there are before they are made smaller: all commands that were ever sent are gone through.
  public static let sagasCompactedMin = 10_000
  /// Steps that a refused script is told of by name; the others are counted.
  public static let sagaStepsTold = 8
  /// Timers that fire before the next record is looked at; more fire before the one after it.
  public static let sagaFiringsMax = 4_096
  /// Timers of one instance that fire late one after the other, with nothing else between, before it is
  /// parked: hourly ones through a year without events are fewer; one that is due at once again has no end.
  public static let sagaFiringsInRowMax = 10_000
  /// A timer that fires later than this after it was due is catching up.
  public static let sagaLateMax = Duration.seconds(60)
  /// A batch of slow events is committed early, so that stopping never waits long.
  public static let batchTimeMax = Duration.seconds(1)
  /// Sampled calls after which older ones count half, so that figures follow the present.
  public static let latencySamplesMax: UInt32 = 4_096
  /// Tables within tables of a definition that errors point into; none real is deeper than three.
  public static let outlineDepthMax = 16
  /// Tries of one event; with the longest backoff more would take weeks.
  public static let retryAttemptsMax = 1_000
  /// Keys that may be parked at once: they are held in memory.
  public static let parkedKeysMax = 100_000
  /// How long `dead retry` waits for a running handler to have tried: it then says what is still on its way.
  public static let redriveTime = Duration.seconds(30)
  /// Rows of one table that a rehearsal shows; all of them are counted.
  public static let rehearsedRowsMax = 20
  /// Decisions in one batch of the log: a correction may be as large as `eventBytesMax`.
  public static let decisionsPerBatch = 1
  /// Events that one decision about dead letters names: 8 KB of positions; more make more decisions.
  public static let decisionPositionsMax = 1_000
  /// Events of parked keys that are tried in one transaction, before the log is read again: as many as a
  /// commit is well paid by.
  public static let retriesPerStep = 4_096
  /// The same in time, so that new events do not wait long for old ones.
  public static let retryTimeMax = Duration.milliseconds(200)
  /// While others wait, tries of parked keys rest so many times as long as they were in vain.
  public static let retryRest = 19
  /// Records between two that are tried again which are rather read than left out: some ten microseconds,
  /// what a read of its own takes.
  public static let retryGapMax: UInt64 = 256
  /// Batches of a projection that are run with care after one in which an event failed: a try without then
  /// costs a few percent.
  public static let carefulBatches = 16
  /// Event types whose handler is remembered; beyond it patterns are compared anew.
  public static let typesRememberedMax = 4_096
  /// Outbox events that go to the log at once.
  public static let relayRecordsMax = 1_000
  /// How long a place may go unwritten while nothing matches; what is lost is only reading again.
  public static let settleInterval = Duration.seconds(1)
  /// Messages of workers that wait to be shown: more are counted, not kept.
  public static let inboxItemsMax = 10_000
  /// How long a worker waits for room on a full disk before it tries again.
  public static let fullDiskPause = Duration.seconds(1)
  /// Records that are looked at for fields that a script asked for in vain: the first and the last half of
  /// them. A tenth of a second of reading, once a run.
  public static let fieldCensusRecordsMax = 100_000
  /// How long `check` counts stored events: some millions; the next check goes on where it stopped.
  public static let checkTime = Duration.seconds(5)
  /// The largest log that `check` looks at, which reads all of it once: a few seconds.
  public static let checkedLogBytesMax: UInt64 = 8 << 30
  /// From so many newly counted events on their counts are kept: fewer are counted again in no time.
  public static let censusKeptRecords: UInt64 = 100_000
  /// Kept counts: a line for each type and version.
  public static let censusBytesMax = 4 << 20
  /// Names of fields that are kept of a type; real ones have some dozens.
  public static let sampledFieldsMax = 1_000
  /// Names that one line of advice shows; the rest is counted.
  public static let adviceNamesMax = 5
  /// An idle worker looks again after this time even when nobody wakes it.
  public static let idlePause = Duration.seconds(1)

  // MARK: Lua budgets, per event (settings may change them)

  /// A second of plain Lua on a slow machine; real handlers use thousands.
  public static let instructionsDefault: UInt64 = 50_000_000
  /// What the instruction count does not see: C functions and SQL.
  public static let handlerTimeDefault = Duration.seconds(2)
  /// How late a call may be before it is left from outside, in the middle of an instruction: ordinary ones
  /// end within a few milliseconds. A look every 20 ms and this stay well below the 250 ms that are promised.
  public static let luaGraceTime = Duration.milliseconds(50)
  /// Of one state: sixteen of the largest events as Lua tables.
  public static let memoryBytesDefault = 64 << 20
  /// A text in Lua: as long as one event.
  public static let luaTextBytesMax = 4 << 20
  /// Elements that one call of `table.move`, `insert`, `unpack` and their like may go over.
  public static let luaRangeMax = 1_000_000
  /// Values that one call of `table.unpack`, `string.byte` and their like may give: a script that passes them
  /// on copies all of them in one instruction.
  public static let luaValuesMax = 65_536
  /// One script file.
  public static let scriptBytesMax = 4 << 20
  /// Depth of a value that crosses between Lua and the host.
  public static let valueDepthMax = 64
  public static let valueNodesMax = 100_000
  public static let valueBytesMax = 1 << 20

  // MARK: Queries

  /// A person waits that long; a runaway join does not hold a read model for ever.
  public static let queryTimeDefault = Duration.seconds(30)
  /// Rows of one answer; beyond it is an export, which has its own commands.
  public static let queryRowsMax = 1_000_000
  /// The path of a Unix socket on Linux, without the closing NUL.
  public static let socketPathBytesMax = 107
  /// Programs that ask one running project at once, a thread each; more wait for their turn.
  public static let controlConnectionsMax = 128
  /// A frame on the socket: a row may hold an event of `eventBytesMax` and its meta.
  public static let controlFrameBytesMax = 16 << 20
  /// How long a run waits at its start for who holds the project without serving it: `append`, `send` and
  /// their like take a fraction of it.
  public static let shortCommandTime = Duration.seconds(4)
  /// How long a run that ends lets somebody take his answer: a terminal takes it at once, a pager perhaps
  /// never.
  public static let controlStopTime = Duration.seconds(5)

  /// How often `run --metrics-file` writes; collectors look every 15 s or less often.
  public static let metricsInterval = Duration.seconds(5)

  // MARK: Verifying

  /// The digests beside a read model: a line for each table.
  public static let sealBytesMax = 1 << 20
  /// Differing rows of one table that are shown; a damaged page has a few dozen.
  public static let differencesShownMax = 50

  /// What is copied at once into a backup and out of it.
  public static let copyBytes = 1 << 20

  // MARK: Output

  /// Rows that a printed table looks at before it knows its widths; they are held in memory.
  public static let tableProbeRowsMax = 1_000
  /// Columns of an excerpt where no terminal says its width.
  public static let excerptColumnsDefault = 120
  /// Failures that a run shows one by one; all of them are in `dead ls`.
  public static let failuresShownMax = 20
  /// Faults that a run tells apart so as to show each once: more than anyone reads, and little memory.
  public static let faultsToldApartMax = 1_000

  // MARK: Stores

  /// How long a connection waits for a lock of another process: a recovery or a checkpoint takes less.
  public static let storeBusyMillisecondsMax: Int32 = 10_000
  /// Page cache of one store; a handler's working set, within the goal for RSS.
  public static let storeCacheKibibytes = 64 << 10
  /// Pages of 4 KiB in the WAL before SQLite copies them into the file: late, so that a page that changes
  /// in many batches is copied once.
  public static let storeCheckpointPages = 8_000
  /// One value, row or SQL text in a store: an event of `eventBytesMax` and room to quote it.
  public static let storeValueBytesMax: Int32 = 16 << 20
  /// Bytes of merged rows that one table holds back before it writes them.
  public static let foldedBytesMax = 16 << 20
  /// A stored number and the sum of what is added stay below this (2^62), so that no partial sum leaves
  /// int64.
  public static let foldedSumMax: UInt64 = 1 << 62
  /// Arguments of one call of a date function: a time and more modifiers than anybody has use for.
  public static let dateArgumentsMax = 8
  /// Operations of a batch on one table from which on it is judged whether merging spares statements: fewer
  /// say nothing about the next batch.
  public static let foldJudgedOperations = 256
  /// Batches that go without merging after one in which not 1 in 20 operations was spared: a try then costs
  /// well below a percent.
  public static let foldPauseBatches = 16
  /// Steps of SQLite's machine that one statement of a script may take, some seconds: counted, not timed, so
  /// that every replay stops at the same place.
  public static let statementStepsMax = 300_000_000
  /// One statement of a script. SQLite looks at no clock between two comparisons of a statement without a
  /// loop: a thousand of them on the longest texts take 0.2 s.
  public static let statementTextBytesMax = 16 << 10
  /// Columns of one answer, two of the widest tables: each may hold a text of `luaTextBytesMax` at once.
  public static let statementColumnsMax: Int32 = 128
  /// Arguments of one function: each place in a JSON text of `luaTextBytesMax` takes 2 ms to find.
  public static let statementArgumentsMax: Int32 = 40
  /// Bytes of a pattern times those of the text that `like`, `glob` and `trim` go over in one call: 0.05 s.
  public static let patternWorkMax: Int64 = 16 << 20
  /// Each text of a statement that searches a full-text table: some 100 words, each compared at every place
  /// of a row.
  public static let searchBytesMax = 256
  /// Values that one `each` or `query` of a script may return: they are all held in memory.
  public static let resultCellsMax = 4_000_000
  /// Bytes of their texts: no more than `memoryBytesDefault` could go into Lua.
  public static let resultBytesMax = 64 << 20
  /// Statements of different texts that a store keeps prepared for `db:query` and `db:exec`.
  public static let preparedStatementsMax = 256
  /// Databases that SQLite attaches at once, as it is built on Debian.
  public static let attachedMax = 10
  /// Bytes of one query's text: a list of some 100,000 keys. More is a table that somebody should have made.
  public static let queryTextBytesMax = 1 << 20
  /// Bytes that SQLite may take for one query: the sort of an answer as large as may be, twice.
  public static let queryMemoryMax = 512 << 20
  /// Result bytes of one query.
  public static let queryBytesMax = 256 << 20
}
