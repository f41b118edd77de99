import MoontideCore
import MoontideSQLite
import Testing

@testable import MoontideRuntime

/// Which timer fires next, beside a list of all of them; and what a saga remembers of its instances.
struct DueTimersTests {
  private let plan = SagaPlan()
  private let scratch: Scratch
  private let store: ConsumerStore

  init() throws {
    scratch = try Scratch()
    store = try ConsumerFile(
      path: scratch.file("due.sqlite"),
      identity: StoreIdentity(handler: "due", kind: .saga, scriptVersion: "1")
    ).store()
  }

  private func instance(_ key: String, _ dues: [Int64]) -> SagaInstance {
    var instance = SagaInstance(
      key: Array(key.utf8), trace: Array(key.utf8), depth: 0, state: [1, 0], plan: plan,
      at: SagaMoment(.start, 0))
    for due in dues { set(&instance, due) }
    return instance
  }

  private func set(_ instance: inout SagaInstance, _ due: Int64) {
    instance.timers.append(SagaTimer(ordinal: instance.timersSet, purpose: .named("t"), due: due))
    instance.timersSet += 1
  }

  private func keep(_ instances: [SagaInstance]) throws {
    let coding = SagaCoding(plan: plan, scriptVersion: "1")
    try store.commit(instances.map { .saga(coding.row($0, sent: [])) })
  }

  /// Every timer of the instances that is due, as a list of all of them has it.
  private func first(_ instances: [[UInt8]: SagaInstance], through end: Int64) -> String? {
    let coding = SagaCoding(plan: plan, scriptVersion: "1")
    let all = instances.values.flatMap { instance in
      instance.timers.filter { $0.isOfEventTime && $0.due <= end }.map { coding.row($0, of: instance.key) }
    }
    return all.min { $0.isBefore($1) }.map(name)
  }

  private func name(_ row: SagaTimerRow) -> String {
    "\(row.dueMicroseconds) \(String(decoding: row.key, as: UTF8.self)) \(row.ordinal)"
  }

  @Test func `timers of kept and of changed instances come in the order of their time, each once`() throws {
    let seed = UInt64.random(in: 0..<1 << 32)
    print("due timers: seed \(seed)")
    let random = SeededRandomness(seed)
    func number(_ end: Int) -> Int { Int(random.next() % UInt64(end)) }
    var all: [[UInt8]: SagaInstance] = [:]
    for key in 0..<60 {
      let made = instance("k\(key)", (0..<number(4)).map { _ in Int64(number(400)) })
      all[made.key] = made
    }
    try keep(Array(all.values))
    var due = try DueTimers(store)
    var changed: [ByteKey: SagaInstance] = [:]
    func put(_ instance: SagaInstance) {
      let before = changed.updateValue(instance, forKey: ByteKey(instance.key))
      due.note(instance, before: before)
      all[instance.key] = instance
    }
    var fired = 0
    for now in 0..<400 {
      let picked = instance("k\(number(80))", [])
      var touched = all[picked.key] ?? picked
      switch number(4) {
      case 0: set(&touched, Int64(now + number(50)))
      case 1: if !touched.timers.isEmpty { touched.timers.remove(at: number(touched.timers.count)) }
      case 2: if !touched.timers.isEmpty { touched.timers[0].announcement = .waits(Position(1)) }
      default: break
      }
      put(touched)
      while let row = try due.next(through: Int64(now), changed).map({ found in row(found, changed) }) {
        #expect(name(row) == first(all, through: Int64(now)), "seed \(seed), at \(now)")
        var firing = try #require(all[row.key])
        firing.timers.removeAll { $0.ordinal == row.ordinal }
        put(firing)
        fired += 1
      }
      #expect(first(all, through: Int64(now)) == nil, "seed \(seed), at \(now)")
    }
    #expect(fired > 20, "seed \(seed)")
  }

  private func row(_ due: DueTimers.Due, _ changed: [ByteKey: SagaInstance]) -> SagaTimerRow {
    switch due {
    case .kept(let row): return row
    case .set(let key, let ordinal):
      let timer = changed[ByteKey(key)]?.timers.first { $0.ordinal == ordinal }
      guard let timer else { preconditionFailure("timer \(ordinal) is not set") }
      return SagaCoding(plan: plan, scriptVersion: "1").row(timer, of: key)
    }
  }

  @Test func `what a saga remembers is bounded, and forgets what did not change for the longest time`() {
    let memory = SagaMemory()
    var newest = instance("newest", [5])
    newest.pending = [.init(id: Array("command".utf8), purpose: .free, microseconds: 0)]
    memory.keep(newest)
    #expect(memory.find(newest.key) == newest)
    #expect(memory.key(ofCommand: Array("command".utf8)) == newest.key)
    newest.pending = []
    memory.keep(newest)
    #expect(memory.key(ofCommand: Array("command".utf8)) == nil)
    var ended = newest
    ended.status = .completed
    memory.keep(ended)
    #expect(memory.find(newest.key) == nil, "the file makes it smaller")
    memory.keep(newest)
    let large = [UInt8](repeating: 1, count: Limits.sagaMemoryBytesMax / 16)
    for number in 0..<64 {
      var other = instance("other \(number)", [])
      other.state = large
      other.pending = [.init(id: Array("command \(number)".utf8), purpose: .free, microseconds: 0)]
      memory.keep(other)
    }
    #expect(memory.find(newest.key) == nil)
    #expect(memory.key(ofCommand: Array("command 0".utf8)) == nil)
    #expect(memory.find(Array("other 63".utf8)) != nil)
    #expect(memory.key(ofCommand: Array("command 63".utf8)) == Array("other 63".utf8))
    memory.forget()
    #expect(memory.find(Array("other 63".utf8)) == nil)
    #expect(memory.key(ofCommand: Array("command 63".utf8)) == nil)
  }

  @Test func `open instances of other versions are found page by page, without those of one`() throws {
    for version in ["a", "b", "c"] {
      let coding = SagaCoding(plan: plan, scriptVersion: version)
      let rows = (0..<5).map { coding.row(instance("\(version)\($0)", [1]), sent: []) }
      try store.commit(rows.map { .saga($0) })
    }
    var ended = instance("ended", [])
    ended.status = .completed
    try keep([ended])
    func found(except version: String) throws -> [String] {
      var keys: [String] = []
      var last: SagaRow?
      while true {
        let rows = try store.openSagas(except: version, after: last, limit: 2)
        guard let end = rows.last else { return keys }
        keys += rows.map { String(decoding: $0.key, as: UTF8.self) }
        last = end
      }
    }
    let (a, b, c) = (
      ["a0", "a1", "a2", "a3", "a4"], ["b0", "b1", "b2", "b3", "b4"], (0..<5).map { "c\($0)" }
    )
    #expect(try found(except: "b") == a + c)
    #expect(try found(except: "a") == b + c)
    #expect(try found(except: "c") == a + b)
    #expect(try found(except: "0") == a + b + c)
    #expect(try store.openSagas(except: "b", after: nil, limit: 1).first?.timers.count == 1)
  }
}
