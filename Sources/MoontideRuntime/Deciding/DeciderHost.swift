import MoontideCore
import MoontideLua

/// Answers a decider's script, which has data alone: all it can ask for is to print.
final class DeciderHost: LuaHost {
  /// Nothing that it may ask for takes time.
  var timeLeft = Duration.zero
  private let definition: DeciderDefinition
  private let surroundings: HandlerSurroundings
  private var coordinates = ""
  private var printed = 0

  init(_ definition: DeciderDefinition, surroundings: HandlerSurroundings) {
    self.definition = definition
    self.surroundings = surroundings
  }

  /// Before each command and event.
  func begin(_ record: Record, in batch: RecordBatch) {
    printed = 0
    coordinates = "\(batch.bytes.text(record.envelope.type)) \(batch.bytes.text(record.envelope.id))"
  }

  private var refusal: HostRefusal {
    HostRefusal(
      code: RuntimeCode.storeRefused.rawValue,
      message: "a decider has its command, its events and its state alone")
  }

  func row(_ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer)
    throws(HostRefusal) -> Bool
  { throw refusal }
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(HostRefusal) -> [String] {
    throw refusal
  }
  func loadState(into buffer: RowBuffer) throws(HostRefusal) -> Bool { throw refusal }
  func saveState(_ value: [UInt8]?) throws(HostRefusal) { throw refusal }
  func emit(_ event: RowBuffer, result: RowBuffer) throws(HostRefusal) { throw refusal }
  func send(_ command: RowBuffer, result: RowBuffer) throws(HostRefusal) { throw refusal }

  func print(_ text: [UInt8]) {
    guard printed < Limits.printBytesMax else { return }
    let kept = text.prefix(Limits.printBytesMax - printed)
    printed += max(1, kept.count)
    surroundings.print(definition.name, coordinates, String(decoding: kept, as: UTF8.self))
  }

  /// Events of older versions may well lack a field that the state asks for.
  func missing(field: [UInt8], type: [UInt8]) {}
}
