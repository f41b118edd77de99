public import MoontideCore

/// What some events of one type carry, as handlers see them.
public struct TypeSample: Sendable, Hashable {
  /// Events that were looked at.
  public private(set) var count = 0
  /// The names of their data's fields.
  public private(set) var fields: Set<String> = []
  /// Whether one of them carries more than ids, or nothing at all.
  public private(set) var isRich = false

  public init() {}

  /// Whether `fields` has all names: of a type with very many it does not.
  var isWhole: Bool { fields.count < Limits.sampledFieldsMax }

  public mutating func add(_ record: Record, in batch: RecordBatch) {
    count += 1
    var members = JSONFields(batch.bytes, record.envelope.data)
    var isEmpty = true
    while fields.count < Limits.sampledFieldsMax, let member = members.next() {
      isEmpty = false
      let name = batch.bytes.text(member.name)
      fields.insert(name)
      if !isRich, !TypeSample.isID(name), !isKey(member.value, of: record, in: batch) { isRich = true }
    }
    if isEmpty { isRich = true }
  }

  /// Whether the value is the event's key.
  private func isKey(_ value: ByteRange, of record: Record, in batch: RecordBatch) -> Bool {
    var value = value
    if value.count >= 2, batch.bytes[Int(value.start)] == UInt8(ascii: "\"") {
      value = ByteRange(start: Int(value.start) + 1, count: Int(value.count) - 2)
    }
    return batch.bytes.equals(value, batch.bytes, record.envelope.key)
  }

  /// Whether a field is named as ids are: `id`, `order_id`, `orderId`, `orderID`, `uuid`.
  public static func isID(_ name: String) -> Bool {
    let lower = name.lowercased()
    if ["id", "uuid", "guid", "key"].contains(lower) { return true }
    return lower.hasSuffix("_id") || lower.hasSuffix("-id") || lower.hasSuffix("_uuid")
      || name.hasSuffix("Id") || name.hasSuffix("ID")
  }
}
