/// A number with its noun: `1 topic`, `2 topics`.
public enum Counted {
  /// - Parameter noun: in the singular; its plural is made with an s.
  public static func text(_ count: some BinaryInteger, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }
}
