/// How a batch is prepared for events that fail.
enum Care: Comparable {
  /// Not at all: the first failure undoes the batch.
  case none
  /// A place is marked before every event, so that a failing one leaves nothing and the rest stays.
  case marked
  /// The same, and no row operations are merged.
  case plain
}
