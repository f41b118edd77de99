import CLua
import MoontideCore

/// The door to C: what C calls, and how its structures become ours. No function here calls into Lua; a
/// refusal is left for C to raise after this frame has returned.
enum LuaCallbacks {
  /// What C holds on to; it outlives the C state, and names the LuaState without keeping it alive.
  final class Anchor {
    unowned(unsafe) var owner: LuaState?

    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
  }

  private static func owner(_ context: UnsafeMutableRawPointer?) -> LuaState {
    guard let context, let owner = Unmanaged<Anchor>.fromOpaque(context).takeUnretainedValue().owner else {
      preconditionFailure("a call of the host without its state")
    }
    return owner
  }

  static func nanoseconds(_ time: Duration) -> Int64 {
    let (seconds, attoseconds) = time.components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }

  static func limits(_ budget: LuaBudget, isDesk: Bool) -> mt_limits {
    mt_limits(
      instructions: budget.instructions, nanoseconds: nanoseconds(budget.time),
      grace_nanoseconds: nanoseconds(Limits.luaGraceTime), memory_bytes: budget.memoryBytes,
      string_bytes: Limits.luaTextBytesMax, range: Limits.luaRangeMax,
      values: Limits.luaValuesMax, event_bytes: Limits.eventBytesMax,
      row_bytes: Int(Limits.storeValueBytesMax),
      emitted_bytes: Limits.emittedBytesPerEventMax, print_bytes: Limits.printBytesMax,
      error_bytes: Limits.errorTextBytesMax, value_depth: UInt32(Limits.valueDepthMax),
      value_nodes: UInt32(isDesk ? Limits.replNodesMax : Limits.valueNodesMax),
      value_bytes: UInt32(isDesk ? Limits.replBytesKeptMax : Limits.valueBytesMax),
      json_depth: UInt32(Limits.jsonDepthMax), columns: UInt32(Limits.columnsMax),
      parts: UInt32(Limits.splitPartsMax))
  }

  static func table(_ context: UnsafeMutableRawPointer, isDesk: Bool) -> mt_callbacks {
    mt_callbacks(
      context: context,
      row: { context, operation, table in LuaCallbacks.owner(context).row(operation, table) },
      sql: { context, text, count in LuaCallbacks.owner(context).sql(LuaCallbacks.bytes(text, count)) },
      load_state: { context in LuaCallbacks.owner(context).loadState() },
      save_state: { context, value, count, present in
        LuaCallbacks.owner(context).saveState(present != 0 ? LuaCallbacks.bytes(value, count) : nil)
      },
      emit: { context, command in LuaCallbacks.owner(context).emit(isCommand: command != 0) },
      saga: { context, verb in LuaCallbacks.owner(context).act(verb) },
      print: { context, text, count in
        LuaCallbacks.owner(context).host?.print(LuaCallbacks.bytes(text, count))
      },
      missing: { context, field, fieldCount, type, typeCount in
        LuaCallbacks.owner(context).host?.missing(
          field: LuaCallbacks.bytes(field, fieldCount), type: LuaCallbacks.bytes(type, typeCount))
      },
      parse_time: { _, text, count, microseconds in
        let text = LuaCallbacks.bytes(text, count)
        guard let time = EventTime(text, ByteRange(start: 0, count: count)) else { return 0 }
        microseconds?.pointee = time.microseconds
        return 1
      },
      write_time: { _, microseconds, text in
        LuaCallbacks.copy(EventTime(microseconds: microseconds).description, to: text, room: 40)
      },
      suggest: { _, word, count, candidates, candidatesCount, text, room in
        let names = LuaCallbacks.bytes(candidates, candidatesCount).split(separator: 0).map {
          String(decoding: $0, as: UTF8.self)
        }
        let word = String(decoding: LuaCallbacks.bytes(word, count), as: UTF8.self)
        return LuaCallbacks.copy(Suggestion.nearest(to: word, among: names) ?? "", to: text, room: room)
      },
      effect: { context, kind, count in
        LuaCallbacks.owner(context).effect(LuaCallbacks.bytes(kind, count))
      },
      environment: { context, name, count in
        LuaCallbacks.owner(context).environment(LuaCallbacks.bytes(name, count))
      },
      desk: { context, function in LuaCallbacks.owner(context).desk(function) },
      interrupted: isDesk
        ? { context in LuaCallbacks.owner(context).host?.isInterrupted == true ? 1 : 0 } : nil)
  }

  private static func bytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
    Array(UnsafeBufferPointer(start: start, count: count))
  }

  private static func copy(_ text: String, to start: UnsafeMutablePointer<UInt8>?, room: Int) -> Int32 {
    var count = 0
    for byte in text.utf8.prefix(room) {
      start?[count] = byte
      count += 1
    }
    return Int32(count)
  }

  static func event(
    _ record: Record, _ bytes: UnsafeBufferPointer<UInt8>, _ topic: UnsafeBufferPointer<UInt8>, _ seed: Digest
  ) -> mt_event {
    func part(_ range: ByteRange) -> mt_part { mt_part(start: range.start, count: range.count) }
    let envelope = record.envelope
    precondition(
      envelope.data.end + Limits.parserPaddingBytes <= bytes.count,
      "data ends at \(envelope.data.end) of \(bytes.count) bytes, without padding")
    return mt_event(
      bytes: bytes.baseAddress, topic: topic.baseAddress, topic_count: topic.count,
      position: record.position.value, offset: record.offset.value,
      partition: UInt32(record.partition), version: envelope.version,
      recorded_microseconds: record.recordedMicroseconds, time_microseconds: envelope.timeMicroseconds,
      id: part(envelope.id), source: part(envelope.source), type: part(envelope.type),
      key: part(envelope.key), time: part(envelope.time), data: part(envelope.data),
      meta: part(envelope.meta), seed_high: seed.high, seed_low: seed.low, is_unplaced: 0)
  }

  static func fault(_ fault: UnsafePointer<mt_fault>) -> LuaFault {
    let kind: LuaFault.Kind =
      switch fault.pointee.kind {
      case 1: .syntax
      case 3: .instructionBudget
      case 4: .timeBudget
      case 5: .memoryBudget
      case 6: .refused(code: text(fault.pointee.code))
      default: .runtime
      }
    let message = String(
      decoding: UnsafeRawBufferPointer(start: mt_fault_message(fault), count: fault.pointee.message_count),
      as: UTF8.self)
    let path = text(fault.pointee.path)
    let blamed = text(fault.pointee.blamed)
    let frames = withUnsafeBytes(of: fault.pointee.frames) { raw in
      raw.bindMemory(to: mt_frame.self).prefix(Int(fault.pointee.frame_count)).map {
        LuaFault.Frame(path: text($0.path), line: Int($0.line), function: text($0.function))
      }
    }
    return LuaFault(
      kind: kind, message: message, path: path.isEmpty ? nil : path,
      line: fault.pointee.line > 0 ? Int(fault.pointee.line) : nil, blamed: blamed.isEmpty ? nil : blamed,
      traceback: frames)
  }

  /// The text up to NUL of an array of C.
  private static func text<Characters>(_ characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

extension LuaState {
  /// Runs a call of the host: 0 no, 1 yes, -1 refused.
  @inline(__always)
  private func answer(_ body: (any LuaHost) throws(HostRefusal) -> Bool) -> Int32 {
    guard let host else { return refuse(HostRefusal(code: "host", message: "there is no host here")) }
    result.removeAll()
    do {
      let answer = try body(host)
      return answer ? 1 : 0
    } catch {
      return refuse(error)
    }
  }

  private func refuse(_ refusal: HostRefusal) -> Int32 {
    var code = refusal.code
    var message = refusal.message
    code.withUTF8 { code in
      message.withUTF8 { message in
        code.withMemoryRebound(to: CChar.self) { code in
          message.withMemoryRebound(to: CChar.self) { message in
            mt_lua_refuse(
              state, code.baseAddress, code.count, message.baseAddress, message.count, refusal.fatal ? 1 : 0)
          }
        }
      }
    }
    return -1
  }

  /// Copies the arguments out of C.
  func takeArguments() {
    let rows = mt_lua_arguments(state).pointee
    arguments.removeAll()
    UnsafeRawPointer(rows.cells)?.withMemoryRebound(to: Cell.self, capacity: rows.count) {
      arguments.cells.append(contentsOf: UnsafeBufferPointer(start: $0, count: rows.count))
    }
    arguments.bytes.append(
      contentsOf: UnsafeBufferPointer(start: rows.text.bytes, count: rows.text.count))
  }

  /// Copies the result into C, with the names of columns in front.
  func giveResult(columns: [String] = []) throws(HostRefusal) {
    var rows = result
    if !columns.isEmpty {
      rows = RowBuffer()
      for column in columns { rows.append(text: column) }
      let shift = UInt32(rows.bytes.count)
      rows.bytes += result.bytes
      for var cell in result.cells {
        cell.part.start += shift
        rows.cells.append(cell)
      }
    }
    guard mt_lua_result_reserve(state, rows.cells.count, rows.bytes.count) != 0 else {
      throw HostRefusal(code: "memory", message: "no memory for \(rows.bytes.count) bytes of rows")
    }
    rows.cells.withUnsafeBytes { cells in
      guard let from = cells.baseAddress, let to = mt_lua_result_cells(state) else { return }
      UnsafeMutableRawPointer(to).copyMemory(from: from, byteCount: cells.count)
    }
    rows.bytes.withUnsafeBytes { bytes in
      guard let from = bytes.baseAddress, let to = mt_lua_result_bytes(state) else { return }
      UnsafeMutableRawPointer(to).copyMemory(from: from, byteCount: bytes.count)
    }
    mt_lua_result_columns(state, columns.count)
  }

  func row(_ operation: Int32, _ table: Int32) -> Int32 {
    guard let operation = RowOperation(rawValue: UInt8(operation)) else {
      preconditionFailure("row operation \(operation)")
    }
    return answer { (host) throws(HostRefusal) in
      takeArguments()
      if operation == .each { host.timeLeft = timeLeft }
      let found = try host.row(operation, table: Int(table), arguments: arguments, result: result)
      if operation == .each || operation == .get { try giveResult() }
      return found
    }
  }

  func sql(_ text: [UInt8]) -> Int32 {
    answer { (host) throws(HostRefusal) in
      takeArguments()
      let text = String(decoding: text, as: UTF8.self)
      host.timeLeft = timeLeft
      let columns = try host.sql(text, arguments: arguments, result: result)
      try giveResult(columns: columns)
      return true
    }
  }

  private var timeLeft: Duration { .nanoseconds(mt_lua_time_left(state)) }

  func loadState() -> Int32 {
    answer { (host) throws(HostRefusal) in
      let found = try host.loadState(into: result)
      try giveResult()
      return found
    }
  }

  func saveState(_ value: [UInt8]?) -> Int32 {
    answer { (host) throws(HostRefusal) in
      try host.saveState(value)
      return true
    }
  }

  func emit(isCommand: Bool) -> Int32 {
    answer { (host) throws(HostRefusal) in
      takeArguments()
      try isCommand ? host.send(arguments, result: result) : host.emit(arguments, result: result)
      try giveResult()
      return true
    }
  }

  func effect(_ kind: [UInt8]) -> Int32 {
    answer { (host) throws(HostRefusal) in
      takeArguments()
      try host.effect(
        String(decoding: kind, as: UTF8.self), request: arguments.bytes, result: result)
      try giveResult()
      return true
    }
  }

  func environment(_ name: [UInt8]) -> Int32 {
    answer { (host) throws(HostRefusal) in
      try host.environment(String(decoding: name, as: UTF8.self))
      return true
    }
  }

  func desk(_ function: Int32) -> Int32 {
    answer { (host) throws(HostRefusal) in
      takeArguments()
      try host.desk(Int(function), arguments, result: result)
      try giveResult()
      return true
    }
  }

  func act(_ verb: Int32) -> Int32 {
    guard let verb = SagaVerb(rawValue: verb) else { preconditionFailure("saga verb \(verb)") }
    return answer { (host) throws(HostRefusal) in
      takeArguments()
      try host.act(verb, arguments)
      return true
    }
  }
}
