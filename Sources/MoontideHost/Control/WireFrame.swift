import MoontideCore

/// One message between `moontide` processes of one machine.
///
/// | bytes | what |
/// | --- | --- |
/// | 4 | length of what follows, little endian, at most `Limits.controlFrameBytesMax` |
/// | 1 | kind |
/// | … | fields of the kind: integers as 8 bytes, texts as 4 bytes of length and UTF-8 |
struct WireFrame {
  enum Kind: UInt8 {
    case query = 1
    case append = 2
    case status = 3
    case export = 4
    case dead = 8
    case send = 9
    case state = 10
    case saga = 11
    case effects = 12
    case reload = 15
    case columns = 16
    case row = 17
    case bytes = 18
    case outcome = 19
    case diagnostic = 20
    case done = 21
    case decided = 22
    /// What a past moment came to.
    case resolved = 23
    /// What is to be known of an answer.
    case note = 24
    /// One of several problems that an answer tells.
    case problem = 25
    // Read models that are rebuilt: the request, how far it is, what became of it.
    case rebuild = 40
    case rebuilding = 41
    case rebuilt = 42
  }

  var kind: Kind
  var payload: [UInt8]
  private var at = 0

  init(_ kind: Kind, payload: [UInt8] = []) {
    self.kind = kind
    self.payload = payload
  }

  // MARK: Writing

  mutating func put(_ number: Int64) {
    let bits = UInt64(bitPattern: number)
    for shift in stride(from: 0, to: 64, by: 8) {
      payload.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
    }
  }

  mutating func put(_ bytes: some Collection<UInt8>) {
    let count = UInt32(bytes.count)
    for shift in stride(from: 0, to: 32, by: 8) {
      payload.append(UInt8(truncatingIfNeeded: count >> UInt32(shift)))
    }
    payload.append(contentsOf: bytes)
  }

  mutating func put(_ text: String) { put(Array(text.utf8)) }

  mutating func put(_ row: RowBuffer) {
    put(Int64(row.cells.count))
    for cell in row.cells {
      payload.append(cell.kind.rawValue)
      switch cell.kind {
      case .absent, .null: break
      case .integer, .real: put(cell.bits)
      case .text, .blob: put(row.bytes[cell.part.indices])
      }
    }
  }

  // MARK: Reading, in the order of writing; nil when the frame ends early

  mutating func number() -> Int64? {
    guard at + 8 <= payload.count else { return nil }
    var bits: UInt64 = 0
    for index in 0..<8 { bits |= UInt64(payload[at + index]) << UInt64(index * 8) }
    at += 8
    return Int64(bitPattern: bits)
  }

  mutating func bytes() -> ArraySlice<UInt8>? {
    guard at + 4 <= payload.count else { return nil }
    var count = 0
    for index in 0..<4 { count |= Int(payload[at + index]) << (index * 8) }
    guard at + 4 + count <= payload.count else { return nil }
    at += 4 + count
    return payload[at - count..<at]
  }

  mutating func text() -> String? { bytes().map { String(decoding: $0, as: UTF8.self) } }

  /// Replaces what `row` holds; false when the frame is not a row.
  mutating func read(into row: RowBuffer) -> Bool {
    row.removeAll()
    guard let count = number() else { return false }
    for _ in 0..<max(0, count) {
      guard at < payload.count, let kind = Cell.Kind(rawValue: payload[at]) else { return false }
      at += 1
      switch kind {
      case .absent, .null: row.cells.append(Cell(kind: kind))
      case .integer, .real:
        guard let bits = number() else { return false }
        row.cells.append(Cell(kind: kind, bits: bits))
      case .text, .blob:
        guard let part = bytes() else { return false }
        let start = row.bytes.count
        row.bytes.append(contentsOf: part)
        row.cells.append(Cell(kind: kind, part: ByteRange(start: start, count: part.count)))
      }
    }
    return true
  }
}

extension WireFrame {
  init(_ diagnostic: Diagnostic) {
    self.init(.diagnostic)
    put(diagnostic.severity.rawValue)
    put(diagnostic.code)
    put(diagnostic.title)
    put(Int64(diagnostic.details.count))
    for detail in diagnostic.details {
      put(detail.label)
      put(detail.text)
    }
    guard let place = diagnostic.place else { return }
    put(place.file)
    put(Int64(place.line))
    put(Int64(place.column ?? 0))
    put(Int64(place.width))
    put(place.label)
    if let excerpt = place.excerpt { put(excerpt) }
  }

  mutating func diagnostic() -> Diagnostic? {
    guard let severity = text().flatMap(Diagnostic.Severity.init), let code = text(), let title = text(),
      let count = number()
    else { return nil }
    var diagnostic = Diagnostic(severity, code: code, title)
    for _ in 0..<count {
      guard let label = text(), let detail = text() else { return nil }
      diagnostic.details.append(.init(label, detail))
    }
    if let file = text(), let line = number(), let column = number(), let width = number(), let label = text()
    {
      diagnostic.place = SourcePlace(
        file: file, line: Int(line), column: column == 0 ? nil : Int(column), width: Int(width), label: label,
        excerpt: text())
    }
    return diagnostic
  }
}
