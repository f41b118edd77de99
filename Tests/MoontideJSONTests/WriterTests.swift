import MoontideCore
import MoontideJSON
import Testing

struct WriterTests {
  @Test(arguments: [
    #"{"id":"a","type":"T","data":{}}"#,
    #"{"id":"é\"\\\n\u0001","source":"s","type":"T","version":1,"key":"k","#
      + #""time":"2020-01-01T00:00:00+02:00","data":{ "a" : [ 1.50 ] },"meta":{"m":null}}"#,
  ])
  func `a line that was written in our order comes out byte for byte`(line: String) throws {
    let parsed = try ParsedLine(line)
    var out: [UInt8] = []
    JSONWriter.appendLine(parsed.envelope, in: parsed.batch.bytes, recordedMicroseconds: nil, to: &out)
    #expect(String(decoding: out, as: UTF8.self) == line)
  }

  @Test func `the recorded time comes last and is ignored when the line is read again`() throws {
    let parsed = try ParsedLine(#"{"id":"a","type":"T","data":{}}"#)
    var out: [UInt8] = []
    JSONWriter.appendLine(parsed.envelope, in: parsed.batch.bytes, recordedMicroseconds: 0, to: &out)
    let text = String(decoding: out, as: UTF8.self)
    #expect(text == #"{"id":"a","type":"T","data":{},"recorded":"1970-01-01T00:00:00Z"}"#)
    #expect(try ParsedLine(text).body == parsed.body)
  }

  @Test func `a tree keeps order, kinds and numbers`() throws {
    let text =
      #"{"b":[1,-0.5,1e3,true,false,null,"\u00e9\ud83d\ude00\/\t"],"a":{},"c":[],"b":9223372036854775807}"#
    let value = try JSONValue(parsing: " \(text)\n")
    #expect(value["b"]?.compact == #"[1,-0.5,1000.0,true,false,null,"é😀/\t"]"#)
    #expect(
      value.compact
        == #"{"b":[1,-0.5,1000.0,true,false,null,"é😀/\t"],"a":{},"c":[],"b":9223372036854775807}"#)
    #expect(throws: EnvelopeFault.self) { try JSONValue(parsing: "[1,]") }
    #expect(try JSONValue(parsing: "7") == .integer(7))
  }

  @Test func `pretty text changes whitespace alone`() {
    let text = Array(#"x{"a" : [1.50,{ }], "b,:{": [], "c":{"d":"\"}"}}"#.utf8)
    let range = ByteRange(start: 1, count: text.count - 1)
    let lines = ["{", #"  "a": ["#, "    1.50,", "    {}", "  ],", #"  "b,:{": [],"#, #"  "c": {"#]
    #expect(
      JSONText.pretty(text, range)
        == (lines + [#"    "d": "\"}""#, "  }", "}"]).joined(separator: "\n"))
    var out = Array("before".utf8)
    let part = JSONText.minify(text, range, into: &out)
    #expect(
      out.text(part) == #"{"a":[1.50,{}],"b,:{":[],"c":{"d":"\"}"}}"#
        && out.text(ByteRange(start: 0, count: 6)) == "before")
  }

  @Test func `every rule has a code of its own and a text`() {
    #expect(Set(EnvelopeRule.allCases.map(\.code)).count == EnvelopeRule.allCases.count)
    for rule in EnvelopeRule.allCases {
      #expect(
        rule.code.hasPrefix("E02") && !rule.title.isEmpty && !rule.meaning.isEmpty && !rule.mend.isEmpty)
    }
  }
}
