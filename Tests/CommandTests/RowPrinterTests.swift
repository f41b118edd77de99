import MoontideCore
import Testing

@testable import moontide

struct RowPrinterTests {
  private func rows(_ make: (RowBuffer) -> Void) -> RowBuffer {
    let buffer = RowBuffer()
    make(buffer)
    return buffer
  }

  private var sample: RowBuffer {
    rows { buffer in
      buffer.append(text: "Ada")
      buffer.cells += [.integer(.max), .real(0.1), .null]
      buffer.append(text: "B\"o,b\n")
      buffer.cells.append(.integer(-7))
      buffer.cells.append(.real(2))
      let part = ByteRange(start: buffer.bytes.count, count: 3)
      buffer.bytes += [0x00, 0x0a, 0xff]
      buffer.cells.append(Cell(kind: .blob, part: part))
    }
  }

  private func printed(
    _ format: OutputFormat, _ columns: [String], _ buffer: RowBuffer, terminal: Terminal = .none
  ) throws -> String {
    let sink = StringSink()
    let printer = RowPrinter(format, columns: columns, to: sink, terminal: terminal)
    try printer.print(buffer)
    try printer.finish()
    return sink.text
  }

  private let columns = ["name", "n", "share", "raw"]

  @Test func `a table aligns numbers to the right and shows NULL`() throws {
    #expect(
      try printed(.table, columns, sample) == """
        name                       n  share  raw
        -------  -------------------  -----  ---------
        Ada      9223372036854775807    0.1  NULL
        B"o,b\\n                   -7    2.0  x'000aff'

        """)
  }

  @Test func `no line of a table ends in blanks`() throws {
    let buffer = rows { buffer in
      buffer.append(text: "long")
      buffer.append(text: "")
    }
    #expect(try printed(.table, ["a", "b"], buffer) == "a     b\n----  -\nlong\n")
  }

  @Test func `JSON is one array with exact numbers`() throws {
    #expect(
      try printed(.json, columns, sample) == #"""
        [
        {"name":"Ada","n":9223372036854775807,"share":0.1,"raw":null},
        {"name":"B\"o,b\n","n":-7,"share":2.0,"raw":"AAr/"}
        ]

        """#)
  }

  @Test func `no rows are an empty array, a header, or nothing`() throws {
    let none = RowBuffer()
    #expect(try printed(.json, ["a"], none) == "[]\n")
    #expect(try printed(.jsonl, ["a"], none) == "")
    #expect(try printed(.csv, ["a", "b"], none) == "a,b\r\n")
    #expect(try printed(.md, ["a"], none) == "| a |\n| --- |\n")
    #expect(try printed(.table, ["a"], none) == "a\n-\n")
    #expect(try printed(.line, ["a"], none) == "")
  }

  @Test func `lines of JSON are objects of their own`() throws {
    #expect(
      try printed(.jsonl, ["a"], rows { $0.cells += [.integer(1), .null] }) == "{\"a\":1}\n{\"a\":null}\n")
  }

  @Test func `columns of one name stay apart in JSON`() throws {
    let buffer = rows { $0.cells += [.integer(1), .integer(2), .integer(3)] }
    #expect(try printed(.jsonl, ["a", "a", "a_2"], buffer) == "{\"a\":1,\"a_2\":2,\"a_2_2\":3}\n")
  }

  @Test func `CSV quotes what must be quoted and tells empty from NULL`() throws {
    let buffer = rows { buffer in
      buffer.append(text: "a,\"b\"")
      buffer.append(text: "")
      buffer.cells.append(.null)
    }
    #expect(try printed(.csv, ["x", "y", "z"], buffer) == "x,y,z\r\n\"a,\"\"b\"\"\",\"\",\r\n")
  }

  @Test func `Markdown escapes bars and keeps lines in their cell`() throws {
    let buffer = rows { buffer in
      buffer.append(text: "a|b\nc")
      buffer.cells.append(.integer(3))
    }
    #expect(try printed(.md, ["x", "n"], buffer) == "| x | n |\n| --- | ---: |\n| a\\|b<br>c | 3 |\n")
  }

  @Test func `lines name every column and part the rows`() throws {
    let buffer = rows { $0.cells += [.integer(1), .null, .integer(2), .real(1e21)] }
    #expect(
      try printed(.line, ["a", "long"], buffer) == "   a = 1\nlong = NULL\n\n   a = 2\nlong = 1e+21\n")
  }

  @Test func `numbers that JSON has no word for stay readable`() throws {
    let buffer = rows { $0.cells += [.real(.infinity), .real(-.infinity), .real(.nan)] }
    #expect(try printed(.jsonl, ["a", "b", "c"], buffer) == "{\"a\":1e999,\"b\":-1e999,\"c\":null}\n")
  }

  @Test func `a table fits its terminal and never cuts a number`() throws {
    let buffer = rows { buffer in
      buffer.append(text: String(repeating: "word ", count: 30))
      buffer.cells.append(.integer(1_234_567_890_123))
      buffer.append(text: String(repeating: "日本", count: 30))
    }
    let terminal = Terminal(isTerminal: true, columns: 60, colors: false)
    let lines = try printed(.table, ["text", "n", "wide"], buffer, terminal: terminal).split(separator: "\n")
    #expect(lines.count == 3)
    for line in lines { #expect(DisplayText.width(String(line)) <= 60, "\(line)") }
    #expect(lines[2].contains("1234567890123"))
    #expect(lines[2].contains("…"))
  }

  @Test func `in a pipe nothing is cut`() throws {
    let long = String(repeating: "x", count: 500)
    let text = try printed(.table, ["t"], rows { $0.append(text: long) })
    #expect(text.contains(long))
  }

  @Test func `what would steer a terminal is shown instead`() throws {
    let buffer = rows { $0.append(text: "\u{1b}[31mred\u{202e}\u{9b}\t") }
    for format in [OutputFormat.table, .line, .md] {
      let text = try printed(format, ["t"], buffer)
      #expect(text.contains("\\x1b[31mred\\u{202e}\\x9b\\t"), "\(format): \(text.debugDescription)")
    }
  }

  @Test func `a dim NULL is padded as if it had no colour`() throws {
    let terminal = Terminal(isTerminal: true, columns: 80, colors: true)
    let buffer = rows { buffer in
      buffer.cells.append(.null)
      buffer.append(text: "x")
    }
    let text = try printed(.table, ["column", "b"], buffer, terminal: terminal)
    #expect(text.hasSuffix("\u{1b}[2mNULL\u{1b}[0m    x\n"), "\(text.debugDescription)")
  }

  @Test func `rows behind the probe of a table go out as they come`() throws {
    let sink = StringSink()
    let printer = RowPrinter(.table, columns: ["n"], to: sink, terminal: .none)
    try printer.print(rows { $0.cells = (0..<Limits.tableProbeRowsMax - 1).map { .integer(Int64($0)) } })
    #expect(sink.text == "")
    try printer.print(rows { $0.cells = [.integer(5)] })
    #expect(sink.text.split(separator: "\n").count == Limits.tableProbeRowsMax + 2)
    try printer.print(rows { $0.cells = [.integer(123_456)] })
    #expect(sink.text.hasSuffix("\n123456\n"))
    try printer.finish()
    #expect(printer.count == Limits.tableProbeRowsMax + 1)
  }

  @Test(
    arguments: [
      ([], ""), ([102], "Zg=="), ([102, 111], "Zm8="), ([102, 111, 111], "Zm9v"),
      ([102, 111, 111, 98], "Zm9vYg=="),
    ] as [([UInt8], String)]) func `base 64 is that of RFC 4648`(bytes: [UInt8], text: String)
  {
    #expect(JSONText.base64(bytes[...]) == text)
  }
}
