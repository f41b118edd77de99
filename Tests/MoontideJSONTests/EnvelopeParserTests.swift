import MoontideCore
import MoontideJSON
import Testing

/// One line through the parser, as texts.
struct ParsedLine {
  let batch = DraftBatch()
  var envelope: Envelope { batch.drafts[0].envelope }
  var body: Digest { batch.drafts[0].body }
  func text(_ part: KeyPath<Envelope, ByteRange>) -> String { batch.bytes.text(envelope[keyPath: part]) }

  init(_ line: String) throws(EnvelopeFault) { try self.init(bytes: Array(line.utf8)) }

  init(bytes line: [UInt8]) throws(EnvelopeFault) {
    // Something before and behind the line, as in a chunk of a file.
    let source = Array("x\n".utf8) + line + Array("\n{\"id\":1".utf8)
    try EnvelopeParser().parse(
      source + [UInt8](repeating: 0x22, count: 64), ByteRange(start: 2, count: line.count),
      topic: TopicID(3), into: batch)
  }

  static func fault(_ line: [UInt8]) -> EnvelopeFault? {
    do throws(EnvelopeFault) {
      _ = try ParsedLine(bytes: line)
      return nil
    } catch {
      return error
    }
  }
}

struct EnvelopeParserTests {
  @Test func `a full envelope comes out field by field`() throws {
    let line = try ParsedLine(
      #"{"id":"om-1","source":"shop","type":"OrderPlaced","version":2,"key":"99","#
        + #""time":"2019-05-20T07:07:47Z","data":{"a":[1, 2]},"meta":{"x":null}}"#)
    #expect(line.text(\.id) == "om-1" && line.text(\.source) == "shop" && line.text(\.type) == "OrderPlaced")
    #expect(line.text(\.key) == "99" && line.text(\.time) == "2019-05-20T07:07:47Z")
    #expect(line.text(\.data) == #"{"a":[1, 2]}"# && line.text(\.meta) == #"{"x":null}"#)
    #expect(line.envelope.version == 2 && line.envelope.given == [.source, .version, .key, .time, .meta])
    #expect(line.envelope.timeMicroseconds == 1_558_336_067_000_000)
    #expect(line.batch.drafts[0].topic == TopicID(3))
  }

  @Test func `absent fields have their defaults`() throws {
    let line = try ParsedLine(#" { "data" : {} , "type" : "T" , "id" : "i" } "#)
    #expect(line.text(\.key) == "i" && line.text(\.source) == "" && line.text(\.time) == "")
    #expect(line.envelope.given == [] && line.envelope.version == 1 && line.text(\.meta) == "")
    #expect(line.envelope.timeMicroseconds == .min && line.text(\.data) == "{}")
  }

  @Test func `escapes in names and texts are decoded`() throws {
    let line = try ParsedLine(
      #"{"\u0069d":"a\"b\\\u00e9\ud83d\ude00","t\u0079pe":"T","key":"\n","data":{"\u0061":"\u0061"}}"#)
    #expect(line.text(\.id) == "a\"b\\é😀" && line.text(\.key) == "\n" && line.text(\.type) == "T")
    #expect(line.text(\.data) == #"{"\u0061":"\u0061"}"#)
  }

  @Test func `whitespace and unbodied fields do not change the body, everything else does`() throws {
    let one = try ParsedLine(#"{"id":"a","type":"T","data":{"x":[1,"a b"],"y":{}}}"#).body
    let same = [
      #"{"id":"a","type":"T","data":{ "x" : [ 1 , "a b" ] , "y" : { } } }"#,
      #"{"type":"T","id":"a","source":"s","meta":{"m":1},"key":"a","version":1,"#
        + #""data":{"x":[1,"a b"],"y":{}}}"#,
    ]
    for line in same { #expect(try ParsedLine(line).body == one, "\(line)") }
    let other = [
      #"{"id":"a","type":"U","data":{"x":[1,"a b"],"y":{}}}"#,
      #"{"id":"a","type":"T","version":2,"data":{"x":[1,"a b"],"y":{}}}"#,
      #"{"id":"a","type":"T","key":"b","data":{"x":[1,"a b"],"y":{}}}"#,
      #"{"id":"a","type":"T","time":"2019-05-20T07:07:47Z","data":{"x":[1,"a b"],"y":{}}}"#,
      #"{"id":"a","type":"T","data":{"x":[1,"a  b"],"y":{}}}"#,
      #"{"id":"a","type":"T","data":{"x":[1.0,"a b"],"y":{}}}"#,
      #"{"id":"a","type":"T","data":{"y":{},"x":[1,"a b"]}}"#,
    ]
    for line in other { #expect(try ParsedLine(line).body != one, "\(line)") }
  }

  @Test(arguments: [
    (#"{"id":"a","type":"T","data":{"n":1,}}"#, "E0201", "no comma may stand before '}'"),
    (#"{"id":"a","type":"T","data":{"n":[1,]}}"#, "E0201", "no comma may stand before ']'"),
    (#"{"id":"a","type":"T","data":{"n":01}}"#, "E0201", "must not begin with 0 (in `data.n`)"),
    (#"{"id":"a","type":"T","data":{}"#, "E0201", "byte 31"),
    (#"{"id":"a","type":"T","data":{}} {}"#, "E0201", "nothing may follow the value"),
    (#"{"id":"a","type":"T","data":{"s":"\ud800"}}"#, "E0201", "surrogate"),
    ("hello", "E0201", "a value must stand here"),
    ("[1]", "E0202", "not an array"),
    ("7", "E0202", "not an integer"),
    (#"{"id":"a","type":"T","data":{"l":[{},{"n":9223372036854775808}]}}"#, "E0206", "`data.l[1].n`"),
    (#"{"id":"a","type":"T","data":{"n":18446744073709551615}}"#, "E0206", "18446744073709551615"),
    (#"{"id":"a","type":"T","data":{"n":-9223372036854775809}}"#, "E0206", "`data.n`"),
    (#"{"id":"a","type":"T","data":{"n":123456789012345678901234567890}}"#, "E0206", "`data.n`"),
    (#"{"id":"a","type":"T","meta":{"n":9223372036854775808},"data":{}}"#, "E0206", "`meta.n`"),
    (#"{"id":"a","type":"T","data":{"n":1e999}}"#, "E0206", "1e999"),
    (#"{"type":"T","data":{}}"#, "E0209", "`id`"),
    (#"{"id":"a","data":{}}"#, "E0209", "`type`"),
    (#"{"id":"a","type":"T"}"#, "E0209", "`data`"),
    (#"{"id":7,"type":"T","data":{}}"#, "E0211", "`id` must be a string, not an integer"),
    (#"{"id":"a","type":"T","data":[]}"#, "E0211", "`data` must be an object, not an array"),
    (#"{"id":"a","type":"T","key":null,"data":{}}"#, "E0211", "not null"),
    (#"{"id":"a","type":"T","meta":"m","data":{}}"#, "E0211", "`meta` must be an object"),
    (#"{"id":"a","type":"T","version":1.0,"data":{}}"#, "E0211", "`version` must be an integer"),
    (#"{"id":"a","type":"T","version":"1","data":{}}"#, "E0211", "not a string"),
    (#"{"id":"a","type":"T","traceparent":1,"data":{}}"#, "E0211", "`traceparent` must be a string"),
    (#"{"id":"a","id":"b","type":"T","data":{}}"#, "E0212", "`id` is there twice"),
    (#"{"id":"a","type":"T","data":{},"\u0064ata":{}}"#, "E0212", "`data` is there twice"),
    (
      #"{"id":"a","type":"T","data":{},"traceparent":"t","meta":{"traceparent":"u"}}"#, "E0212", "traceparent"
    ),
    (#"{"id":"a","tpye":"T","data":{}}"#, "E0213", "did you mean `type`?"),
    (#"{"id":"a","type":"T","data":{},"subject":"s"}"#, "E0213", "`subject`"),
    (#"{"id":"","type":"T","data":{}}"#, "E0214", "`id` must not be empty"),
    (#"{"id":"a","type":"T","version":0,"data":{}}"#, "E0215", "from 1 to 1000000, not 0"),
    (#"{"id":"a","type":"T","version":1000001,"data":{}}"#, "E0215", "not 1000001"),
    (#"{"id":"a","type":"T","time":"yesterday","data":{}}"#, "E0216", "not `yesterday`"),
    (#"{"id":"a","type":"T","time":"2019-02-30T00:00:00Z","data":{}}"#, "E0216", "RFC 3339"),
    (#"{"specversion":"0.3","id":"a","source":"s","type":"T","data":{}}"#, "E0217", #"not "0.3""#),
    (#"{"specversion":"1.0","id":"a","source":"s","type":"T","data_base64":"AA=="}"#, "E0218", "binary"),
    (#"{"specversion":"1.0","id":"a","type":"T","data":{}}"#, "E0209", "a CloudEvent must have `source`"),
    (#"{"specversion":"1.0","id":"a","source":"s","type":"T","data":{},"x":[]}"#, "E0211", "`x` must be"),
    (#"{"specversion":"1.0","id":"a","source":"s","type":"T","data":{},"dataversion":"v2"}"#, "E0215", "v2"),
  ])
  func `a line that breaks a rule is refused by its name`(line: String, code: String, text: String) {
    let fault = ParsedLine.fault(Array(line.utf8))
    #expect(fault?.code == code, "\(line): \(fault?.reason ?? "accepted")")
    #expect(fault?.reason.contains(text) == true, "\(line): \(fault?.reason ?? "accepted")")
  }

  @Test func `bytes that are no text are refused by their place`() {
    let good = Array(#"{"id":"a","type":"T","data":{"s":"x"}}"#.utf8)
    func with(_ bytes: [UInt8]) -> EnvelopeFault? {
      let at = good.count - 4
      return ParsedLine.fault(Array(good[..<at]) + bytes + Array(good[at...]))
    }
    #expect(ParsedLine.fault(good) == nil)
    #expect(with([0xFF])?.code == "E0203")
    #expect(with([0xC0, 0x80])?.code == "E0203")
    #expect(with([0xED, 0xA0, 0x80])?.reason.contains("byte 35 begins no character (in `data.s`)") == true)
    #expect(with([0])?.code == "E0205")
    #expect(ParsedLine.fault([0, 1, 2])?.code == "E0205")
    #expect(with([9])?.code == "E0201")
    #expect(ParsedLine.fault([0xEF, 0xBB, 0xBF] + good)?.code == "E0204")
    #expect(ParsedLine.fault([])?.code == "E0201")
  }

  @Test func `sizes and depth have their bounds`() {
    func line(id: Int = 1, key: Int = 1, type: Int = 1, depth: Int = 1, data: Int = 1) -> EnvelopeFault? {
      func text(_ count: Int) -> String { String(repeating: "a", count: count) }
      let nested =
        String(repeating: "[", count: depth - 1) + #""\#(text(data))""#
        + String(repeating: "]", count: depth - 1)
      return ParsedLine.fault(
        Array(
          #"{"id":"\#(text(id))","type":"\#(text(type))","key":"\#(text(key))","data":{"a":\#(nested)}}"#.utf8
        ))
    }
    #expect(line(id: 1024, key: 1024, type: 256) == nil)
    #expect(line(id: 1025)?.reason == "`id` may have at most 1024 bytes; this one has 1025")
    #expect(line(key: 1025)?.code == "E0214" && line(type: 257)?.code == "E0214")
    #expect(line(depth: Limits.jsonDepthMax - 1) == nil)
    #expect(line(depth: Limits.jsonDepthMax)?.code == "E0207")
    #expect(line(depth: 100_000)?.code == "E0207")
    #expect(line(data: 4_000_000) == nil)
    #expect(line(data: Limits.eventBytesMax)?.code == "E0208")
  }

  @Test func `the bounds of int64 and long strings of digits are taken`() throws {
    let data =
      #"{"a":9223372036854775807,"b":-9223372036854775808,"c":"99999999999999999999","#
      + #""d":0.12345678901234567890123}"#
    #expect(try ParsedLine(#"{"id":"a","type":"T","data":\#(data)}"#).text(\.data) == data)
  }

  @Test func `tracing fields of the envelope join the meta`() throws {
    let alone = try ParsedLine(#"{"traceparent":"00-a","id":"a","type":"T","causationid":"c","data":{}}"#)
    #expect(alone.text(\.meta) == #"{"traceparent":"00-a","causationid":"c"}"#)
    let merged = try ParsedLine(#"{"id":"a","type":"T","correlationid":"c","data":{},"meta":{"x":1}}"#)
    #expect(merged.text(\.meta) == #"{"x":1,"correlationid":"c"}"#)
    let empty = try ParsedLine(#"{"id":"a","type":"T","correlationid":"c","data":{},"meta":{ }}"#)
    #expect(try JSONValue(parsing: empty.text(\.meta)).compact == #"{"correlationid":"c"}"#)
    #expect(alone.envelope.given == [.meta])
  }

  @Test func `a recorded time is accepted and ignored`() throws {
    let line = try ParsedLine(#"{"id":"a","type":"T","data":{},"recorded":"2020-01-01T00:00:00Z"}"#)
    #expect(line.envelope.given == [])
  }

  @Test func `a CloudEvent becomes an event with its other attributes as meta, in written order`() throws {
    let line = try ParsedLine(
      #"{"specversion":"1.0","zeta":1,"id":"a","source":"/shop","type":"com.example.Placed","subject":"o-1","#
        + #""dataversion":"3","time":"2020-01-01T00:00:00Z","datacontenttype":"application/json","#
        + #""traceparent":"00-b","alpha":true,"gone":null,"data":{"x":1}}"#)
    #expect(line.text(\.key) == "o-1" && line.text(\.source) == "/shop" && line.envelope.version == 3)
    #expect(
      line.text(\.meta)
        == #"{"zeta":1,"datacontenttype":"application/json","traceparent":"00-b","alpha":true}"#)
    let both = try ParsedLine(
      #"{"specversion":"1.0","id":"a","source":"s","type":"T","partitionkey":"p","subject":"u","data":{}}"#)
    #expect(both.text(\.key) == "p" && both.text(\.meta) == #"{"subject":"u"}"#)
    let plain = try ParsedLine(#"{"specversion":"1.0","id":"a","source":"s","type":"T","data":{}}"#)
    #expect(plain.text(\.key) == "a" && plain.text(\.meta) == "" && plain.envelope.given == [.source])
  }

  @Test func `one parser takes line after line, good and bad`() throws {
    let parser = EnvelopeParser()
    let batch = DraftBatch()
    var taken = 0
    for number in 0..<1_000 {
      let line = Array(
        (number % 3 == 0 ? "{bad" : #"{"id":"\#(number)","type":"T","data":{"n":\#(number)}}"#).utf8)
      let source = line + [UInt8](repeating: 0, count: 64)
      do throws(EnvelopeFault) {
        try parser.parse(source, ByteRange(start: 0, count: line.count), topic: TopicID(0), into: batch)
        taken += 1
      } catch {
        #expect(error.code == "E0201")
      }
    }
    #expect(taken == 666 && batch.drafts.count == 666)
    for draft in batch.drafts {
      #expect(batch.bytes.text(draft.envelope.data) == #"{"n":\#(batch.bytes.text(draft.envelope.id))}"#)
    }
  }

  @Test func `a hostile line with very many fields is refused quickly`() {
    let fields = (0..<100_000).map { #""f\#($0)":1"# }.joined(separator: ",")
    #expect(ParsedLine.fault(Array(#"{"specversion":"1.0",\#(fields)}"#.utf8))?.code == "E0214")
    #expect(ParsedLine.fault(Array("{\(fields)}".utf8))?.code == "E0213")
  }
}
