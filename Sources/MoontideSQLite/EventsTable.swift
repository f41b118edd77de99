public import MoontideCore

/// `sys.events`: the events of a log, read in place. Conditions on the position, the key, the identity and
/// the time of recording are looked up in the log's own indexes, those on type, topic and time in its
/// outline, which passes stretches by that have no such event. What is asked of topic and type alone is
/// counted there, and nothing is read.
public final class EventsTable: SystemTable {
  /// Makes the outline of all that is durable; nil once its argument says that the time is over.
  public typealias Outline = (_ isOver: () -> Bool) throws(LogError) -> (any EventOutline)?

  public let name = "events"
  public let columns: [SystemColumn] = [
    SystemColumn("position", .integer), SystemColumn("topic", .text), SystemColumn("partition", .integer),
    SystemColumn("offset", .integer), SystemColumn("id", .text), SystemColumn("source", .text),
    SystemColumn("type", .text), SystemColumn("version", .integer), SystemColumn("key", .text),
    SystemColumn("time", .text), SystemColumn("time_us", .integer), SystemColumn("recorded", .text),
    SystemColumn("data", .text), SystemColumn("meta", .text),
  ]

  enum Column {
    static let position = 0
    static let topic = 1
    static let id = 4
    static let source = 5
    static let type = 6
    static let key = 8
    static let timeMicroseconds = 10
    static let recorded = 11
    static let looksUp: Set = [topic, id, source, type, key]
    static let ranges: Set = [position, timeMicroseconds, recorded]
  }

  private let log: any EventLog
  private let outline: Outline?

  /// Reads from `log`, which may be written to meanwhile: a scan ends at the durable end of its beginning.
  /// - Parameter outline: of that log; without one more is read. Only a log that finds identities by an index
  ///   has one.
  public init(_ log: any EventLog, outline: Outline? = nil) {
    self.log = log
    self.outline = outline
  }

  public func plan(_ conditions: [SystemCondition]) -> SystemPlan {
    plan(SystemQuestion(conditions: conditions))
  }

  public func plan(_ question: SystemQuestion) -> SystemPlan {
    let conditions = question.conditions
    let chosen = conditions.indices.filter {
      Column.ranges.contains(conditions[$0].column)
        || conditions[$0].comparison == .equal && Column.looksUp.contains(conditions[$0].column)
    }
    let equals = Set(chosen.filter { conditions[$0].comparison == .equal }.map { conditions[$0].column })
    let ranges = Set(chosen.map { conditions[$0].column }).intersection(Column.ranges)
    var plan = SystemPlan(chosen: chosen, rows: 1_000_000)
    var choice = EventsChoice()
    if equals.contains(Column.position) {
      (plan.way, plan.rows) = ("position", 1)
    } else if equals.contains(Column.id), outline != nil {
      (plan.way, plan.rows) = ("identity index", 1)
    } else if equals.contains(Column.key), outline != nil || equals.contains(Column.topic) {
      (plan.way, plan.rows) = ("key index", equals.contains(Column.topic) ? 20 : 40)
    } else if let counts = EventsChoice(counting: question), outline != nil {
      choice = counts
      (plan.way, plan.rows) = ("counts of the outline", question.isDistinct ? 10 : 1_000)
      plan.isOrdered = true
    } else if !ranges.intersection([Column.position, Column.recorded]).isEmpty {
      (plan.way, plan.rows) = ("range of positions", 250_000)
    } else if outline != nil, !equals.isEmpty || !ranges.isEmpty {
      (plan.way, plan.rows) = ("stretches of the outline", 250_000)
    } else {
      plan.way = "all positions"
    }
    if !choice.isCounting, question.order.count == 1, question.order[0].column == Column.position {
      choice.isBackward = question.order[0].isDescending
      // The events of a key are found in their order only.
      plan.isOrdered = !choice.isBackward || plan.way != "key index"
    }
    plan.choice = choice.rawValue
    return plan
  }

  public func open(
    _ conditions: [(condition: SystemCondition, value: SystemValue)], columnsUsed: UInt64
  ) throws(StoreError) -> any SystemCursor {
    try open(SystemScan(conditions: conditions, columnsUsed: columnsUsed, choice: 0) { false })
  }

  public func open(_ asked: SystemScan) throws(StoreError) -> any SystemCursor {
    let choice = EventsChoice(rawValue: asked.choice)
    var scan = EventScan(end: log.durableEnd)
    for (condition, value) in asked.conditions { try narrow(&scan, condition, value) }
    if choice.isCounting, let outline = try told(asked.isOver) {
      return try EventCounts.cursor(scan, choice, log, outline, isOver: asked.isOver)
    }
    let feed = try feed(scan, choice, asked.isOver)
    return EventsCursor(log, scan, feed, columnsUsed: asked.columnsUsed, isOver: asked.isOver)
  }

  // MARK: Which records to look at

  private func feed(
    _ scan: EventScan, _ choice: EventsChoice, _ isOver: () -> Bool
  ) throws(StoreError) -> any EventFeed {
    if scan.isEmpty || scan.start >= scan.end { return PlacesFeed(log, []) }
    if scan.end.value - scan.start.value > 1 {
      let topics = scan.question.topic.map { [$0] } ?? log.topics().map(\.id)
      if let id = scan.id, let sources = try sources(scan, isOver) {
        let places = try places(id, sources, topics)
        return PlacesFeed(log, choice.isBackward ? places.sorted(by: >) : places.sorted())
      }
      if let key = scan.key, scan.question.topic != nil || outline != nil {
        return KeyFeed(log, key, topics)
      }
    }
    // A short range is read sooner than an outline is looked through.
    let isLong = scan.end.value - scan.start.value > 4 * Limits.outlineStretch
    let outline = scan.question.isNarrow && isLong ? try told(isOver) : nil
    return choice.isBackward ? BackwardFeed(log, scan, outline) : ForwardFeed(log, scan, outline)
  }

  /// The outline; nil where there is none.
  private func told(_ isOver: () -> Bool) throws(StoreError) -> (any EventOutline)? {
    guard let outline else { return nil }
    do throws(LogError) {
      if let told = try outline(isOver) { return told }
    } catch { throw StoreError(error) }
    throw .refused("the query was stopped")
  }

  /// Those that an identity may have; nil when they are too many or not known.
  private func sources(_ scan: EventScan, _ isOver: () -> Bool) throws(StoreError) -> [[UInt8]]? {
    if let source = scan.source, outline != nil { return [source] }
    return try told(isOver)?.sources
  }

  private func places(
    _ id: [UInt8], _ sources: [[UInt8]], _ topics: [TopicID]
  ) throws(StoreError) -> [Position] {
    var places: [Position] = []
    do throws(LogError) {
      for topic in topics {
        for source in sources {
          let place = try log.position(of: .identity(topic: topic, source: source, id: id))
          if let place { places.append(place) }
        }
      }
    } catch { throw StoreError(error) }
    return places
  }

  private func narrow(
    _ scan: inout EventScan, _ condition: SystemCondition, _ value: SystemValue
  ) throws(StoreError) {
    switch (condition.column, value) {
    case (_, .null): scan.isEmpty = true
    case (Column.position, .integer(let number)): scan.narrow(condition.comparison, number)
    case (Column.timeMicroseconds, .integer(let number)): scan.narrowTime(condition.comparison, number)
    case (Column.type, .text(let text)): scan.narrow(\.question.type, Array(text.utf8))
    case (Column.topic, .text(let text)):
      // A topic that the log does not have has no events.
      guard let known = log.topics().first(where: { $0.name.text == text }) else {
        scan.isEmpty = true
        return
      }
      scan.narrow(\.question.topic, known.id)
    case (Column.key, .text(let text)): scan.narrow(\.key, Array(text.utf8))
    case (Column.id, .text(let text)): scan.narrow(\.id, Array(text.utf8))
    case (Column.source, .text(let text)): scan.narrow(\.source, Array(text.utf8))
    case (Column.recorded, .text(let text)):
      do { try narrow(&scan, condition.comparison, recorded: text) } catch { throw StoreError(error) }
    default: break
    }
  }

  /// Texts of `recorded` have the form `2026-11-17T09:14:03.123456Z`; any beginning of one bounds them.
  /// Sorting by text differs from sorting by time only below a second, hence the whole seconds here.
  private func narrow(
    _ scan: inout EventScan, _ comparison: SystemCondition.Comparison, recorded text: String
  ) throws(LogError) {
    let start = String(text.prefix(19))
    let form = "0000-01-01T00:00:00Z"
    guard let instant = EventTime(start + form.dropFirst(start.utf8.count)) else { return }
    if comparison != .less && comparison != .lessOrEqual {
      scan.start = max(scan.start, try log.position(of: .recorded(instant)) ?? scan.end)
    }
    if comparison != .greater && comparison != .greaterOrEqual {
      let past = EventTime(microseconds: instant.microseconds + 1_000_000)
      if let end = try log.position(of: .recorded(past)) { scan.end = min(scan.end, end) }
    }
  }
}

extension StoreError {
  /// A log's refusal, where only a store's can be told.
  init(_ error: LogError) {
    switch error {
    case .damaged(let file, let offset, let reason):
      self = .damaged(path: file, reason: "at byte \(offset): \(reason)")
    case .file(let error): self = .io(path: error.path, reason: "\(error.operation): \(error.reason)")
    default: self = .refused("\(error)")
    }
  }
}
