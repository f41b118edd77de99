import MoontideCore
import Testing

@testable import MoontideRuntime

struct JSONFieldsTests {
  @Test func `the members of an object are found at its top level only`() {
    let text = Array(#" { "a" : {"x":1,"b":2} , "b\"c":"}", "d":[1,{"e":2}],"f":-1.5e3,"g":null}  "#.utf8)
    let whole = ByteRange(start: 0, count: text.count)
    #expect(JSONFields.names(text, whole) == ["a", #"b\"c"#, "d", "f", "g"])
    #expect(JSONFields.value("f", text, whole).map { text.text($0) } == "-1.5e3")
    #expect(JSONFields.value("d", text, whole).map { text.text($0) } == #"[1,{"e":2}]"#)
    #expect(JSONFields.value("x", text, whole) == nil)
    #expect(JSONFields.names(text, .empty) == [])
    #expect(JSONFields.names(Array("{}".utf8), ByteRange(start: 0, count: 2)) == [])
  }

  @Test func `a name means what its escapes stand for, and the first of a name counts, as in Lua`() {
    let text = Array(#"{"\u006b":"first","k":"second","a\"b":1,"\ud800":2,"\ud83d\ude00":3}"#.utf8)
    let whole = ByteRange(start: 0, count: text.count)
    #expect(JSONFields.value("k", text, whole).map { text.text($0) } == #""first""#)
    #expect(JSONFields.value("a\"b", text, whole).map { text.text($0) } == "1")
    #expect(JSONFields.value("😀", text, whole).map { text.text($0) } == "3")
    #expect(JSONFields.value(#"\u006b"#, text, whole) == nil)
  }
}
