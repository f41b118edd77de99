import MoontideCore

/// Bytes as the key of a table: hashed as a whole, where an array goes element by element.
struct ByteKey: Hashable {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func hash(into hasher: inout Hasher) { hasher.combine(Digest.zero.adding(bytes)) }
}
