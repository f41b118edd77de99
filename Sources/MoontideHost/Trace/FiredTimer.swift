import MoontideCore
import MoontideJSON
import MoontideRuntime

/// A timer of a saga's instance, set or fired, as questions about causes need to know it.
struct FiredTimer: Hashable {
  /// The identity name.
  var saga: String
  var key: [UInt8]
  var ordinal: UInt64
  /// `name NAME`, `step NAME` or `retry NAME`.
  var purpose: String
  var due: EventTime

  init(saga: String, _ row: SagaTimerRow) {
    self.saga = saga
    key = row.key
    ordinal = row.ordinal
    purpose = row.purpose
    due = EventTime(microseconds: row.dueMicroseconds)
  }

  /// Nil of any record but a firing.
  init?(_ record: Record, in batch: RecordBatch) {
    guard case .fired(let key, let ordinal)? = TimerRecord(record, in: batch)?.event else { return nil }
    saga = batch.bytes.text(record.envelope.source)
    self.key = key
    self.ordinal = ordinal
    due = EventTime(microseconds: record.envelope.timeMicroseconds)
    do throws(EnvelopeFault) {
      let data = try JSONValue(parsing: Array(batch.bytes[record.envelope.data.indices]))
      purpose = data["purpose"]?.text ?? ""
    } catch { purpose = "" }
  }

  /// Of which it is the timeout.
  var step: String? { purpose.hasPrefix("step ") ? String(purpose.dropFirst(5)) : nil }
}
