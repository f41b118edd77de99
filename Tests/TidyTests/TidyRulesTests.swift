import Testing

/// The checker itself: planted faults are found, at their line, and what only looks like one is not.
struct TidyRulesTests {
  private typealias Rule = (SourceFile) -> [Finding]

  private func places(_ rule: Rule, _ path: String, _ text: String) -> [String] {
    rule(SourceFile(path, text)).map { String($0.place.split(separator: ":").last ?? "") }
  }

  private func swift(_ rule: Rule, _ text: String, at path: String = "Sources/MoontideHost/Thing.swift")
    -> [String]
  {
    places(rule, path, text)
  }

  // MARK: Names

  @Test(arguments: [
    "struct RowUtils {}", "final class EventManager {}", "enum Common {}", "protocol TopicInfo {}",
    "typealias RowData = Int", "struct DataReader {}", "class BaseStore {}",
  ]) func `a name that says nothing is found`(text: String) {
    #expect(swift(NameRules.findings, text + "\nstruct Thing {}") == ["1"])
  }

  @Test func `a file named so is found too`() {
    #expect(!places(NameRules.findings, "Sources/MoontideHost/Helpers.swift", "").isEmpty)
    #expect(!places(NameRules.findings, "Sources/MoontideHost/Utils/Row.swift", "struct Row {}").isEmpty)
  }

  @Test func `words that contain a banned one are fine`() {
    #expect(
      swift(NameRules.findings, "struct Thing {}\nstruct Database {}\nenum Information {}\nstruct Dataset {}")
        == [])
  }

  @Test func `a file is named after its main type`() {
    #expect(swift(NameRules.findings, "struct Other {}") == ["1"])
    #expect(swift(NameRules.findings, "struct ThingReader {}") == [])
    #expect(swift(NameRules.findings, "extension Other { func f() {} }") == [])
    #expect(swift(NameRules.findings, "extension Thing {}\nprivate struct Part {}") == [])
    let plus = "Sources/MoontideHost/Thing+Reading.swift"
    #expect(swift(NameRules.findings, "extension Thing { struct Page {} }", at: plus) == [])
  }

  // MARK: Sizes

  @Test func `a long file, line and function are found`() {
    let lines = Array(repeating: "let x = 1", count: 401).joined(separator: "\n")
    #expect(swift(SizeRules.findings, lines) == ["401"])
    #expect(swift(SizeRules.findings, "// " + String(repeating: "a", count: 108)) == ["1"])
    #expect(swift(SizeRules.findings, "// " + String(repeating: "ä", count: 107)) == [])
    let body = Array(repeating: "    print(1)", count: 59).joined(separator: "\n")
    #expect(swift(SizeRules.findings, "struct Thing {\n  func f() {\n\(body)\n  }\n}") == ["2"])
    let shorter = Array(repeating: "    print(1)", count: 58).joined(separator: "\n")
    #expect(swift(SizeRules.findings, "struct Thing {\n  func f() {\n\(shorter)\n  }\n}") == [])
    #expect(swift(SizeRules.findings, "struct Thing {\n  init?() {\n\(body)\n  }\n}") == ["2"])
  }

  @Test func `braces in strings and comments do not count`() {
    let body = Array(repeating: "    print(\"}\") // }", count: 59).joined(separator: "\n")
    #expect(swift(SizeRules.findings, "func f() {\n\(body)\n}") == ["1"])
    let nested = #"func f(_ s: String = "{\(g("}"))") { print("\("{")") }"#
    let functions = SizeRules.swiftFunctions(SourceFile("Sources/MoontideHost/T.swift", nested))
    #expect(functions == [.init(name: "f", line: 1, lines: 1)])
  }

  @Test func `a requirement of a protocol has no body`() {
    let text = "protocol P {\n  func f() throws(E) -> Int\n  func g()\n}\nfunc h() {\n}"
    let functions = SizeRules.swiftFunctions(SourceFile("Sources/MoontideHost/P.swift", text))
    #expect(functions == [.init(name: "h", line: 5, lines: 2)])
  }

  @Test func `lines inside of a multi-line string are text of their own`() {
    let long = String(repeating: "a", count: 200)
    #expect(swift(SizeRules.findings, "let x = \"\"\"\n  \(long)\n  \"\"\"\nlet y = 1") == [])
    #expect(swift(SizeRules.findings, "let x = #\"\"\"\n  \"\"\" \(long)\n  \"\"\"#\n// \(long)") == ["4"])
  }

  @Test func `C functions are measured, also within extern and namespaces`() {
    let body = Array(repeating: "  x++; /* { */ char c = '{';", count: 59).joined(separator: "\n")
    let text = "extern \"C\" {\nint f(int x) {\n\(body)\n}\nint g(void) { return 1; }\n}\n"
    #expect(places(SizeRules.findings, "Sources/CLua/a.c", text) == ["2"])
    let functions = SizeRules.cFunctions(SourceFile("Sources/CLua/a.c", "struct s { int a; };\n" + text))
    #expect(functions.map(\.name) == ["f", "g"])
    #expect(
      places(SizeRules.findings, "Sources/CLua/a.c", "// " + String(repeating: "a", count: 118)) == ["1"])
  }

  // MARK: Bounds

  @Test func `a bound elsewhere, or without a reason, is found`() {
    #expect(swift(BoundRules.findings, "struct Thing {\n  static let rowsMax = 5\n}") == ["2"])
    #expect(swift(BoundRules.findings, "struct Thing {\n  static let maxRows = 5\n}") == ["2"])
    #expect(
      swift(BoundRules.findings, "struct Thing {\n  static let maximal = 5\n  let rowsMax = 2\n}") == [])
    let limits =
      "enum Limits {\n  /// Why.\n  public static let a = 1\n  public static let b = 2\n\n"
      + "  public static let c = 3\n}"
    #expect(places(BoundRules.findings, BoundRules.limits, limits) == ["6"])
  }

  // MARK: Failures

  @Test(arguments: [
    "let a = try? f()", "let a = try! f()", "fatalError(\"no\")", "do { try f() } catch {}",
    "do { try f() } catch let e as E { /* nothing */ }", "// TODO: later", "let a = 1  /* FIXME */",
  ]) func `a swallowed fault is found`(text: String) {
    #expect(swift(FailureRules.findings, "struct Thing {}\n" + text) == ["2"])
  }

  @Test(arguments: [
    "let a = try f() ? 1 : 2", "let a = try !f()", "let a = \"TODO try? fatalError()\"",
    "do { try f() } catch { throw e }",
    "// a method to do it", "let a = #\"catch {}\"#", "let mastodon = 1",
  ]) func `what is no fault is not found`(text: String) {
    #expect(swift(FailureRules.findings, text) == [])
  }

  // MARK: The boundary

  @Test func `Lua and pointers outside of their rooms are found`() {
    #expect(swift(BoundaryRules.findings, "let a = lua_gettop(state)") == ["1"])
    #expect(
      swift(BoundaryRules.findings, "luaL_error(state)", at: "Sources/MoontideLua/LuaState.swift") == ["1"])
    #expect(swift(BoundaryRules.findings, "\nlet p: UnsafeMutablePointer<Int>") == ["2"])
    #expect(swift(BoundaryRules.findings, "a.withUnsafeBytes { f($0) }") == ["1"])
    #expect(
      swift(BoundaryRules.findings, "a.withUnsafeBytes { f($0) }", at: "Sources/MoontideLog/A.swift") == [])
    #expect(swift(BoundaryRules.findings, "// lua_gettop and UnsafeRawPointer\nlet s = \"lua_error\"") == [])
    #expect(swift(BoundaryRules.findings, "@unchecked Sendable") == [])
  }

  // MARK: Edges

  @Test(arguments: [
    ("MoontideRuntime", "MoontideSQLite"), ("MoontideRuntime", "MoontideLog"), ("MoontideCore", "Foundation"),
    ("MoontideCore", "Glibc"), ("MoontideLog", "MoontideSQLite"), ("MoontideSQLite", "CLua"),
    ("moontide", "MoontideLog"), ("MoontideHost", "CSQLite"), ("MoontideJSON", "CLua"),
  ]) func `an edge that is not there is found`(room: String, name: String) {
    for form in [
      "import \(name)", "public import \(name)", "@preconcurrency import \(name)", "import struct \(name).T",
    ] {
      #expect(
        swift(ImportRules.findings, "import MoontideCore\n" + form, at: "Sources/\(room)/A.swift") == ["2"])
    }
  }

  @Test func `edges that are there are not`() {
    #expect(
      swift(ImportRules.findings, "import CLua\nimport MoontideCore", at: "Sources/MoontideLua/A.swift") == []
    )
    #expect(swift(ImportRules.findings, "// import CLua", at: "Sources/MoontideCore/A.swift") == [])
    #expect(swift(ImportRules.findings, "import Anything", at: "Sources/NewRoom/A.swift") == ["1"])
  }

  @Test func `C includes only what its room may`() {
    #expect(places(ImportRules.findings, "Sources/CSQLite/a.c", "#include <lua.h>") == ["1"])
    #expect(
      places(ImportRules.findings, "Sources/CLua/a.c", "#include <lua.h>\n#include \"simdjson_c.h\"") == [])
    #expect(places(ImportRules.findings, "Sources/CLua/a.c", "\n#include <sqlite3.h>") == ["2"])
  }

  @Test func `suspension outside of the host is found`() {
    #expect(swift(ImportRules.findings, "func f() async {}", at: "Sources/MoontideLog/A.swift") == ["1"])
    #expect(swift(ImportRules.findings, "func f() async {}", at: "Sources/MoontideHost/A.swift") == [])
    #expect(swift(ImportRules.findings, "// async is not here", at: "Sources/MoontideLog/A.swift") == [])
  }

  // MARK: Paths

  @Test func `a path of one machine is found in any file`() {
    let path = "/" + "home/me/x"
    #expect(places(PathRules.findings, "README.md", "see\n`\(path)`") == ["2"])
    #expect(places(PathRules.findings, "scripts/run", "cd \(path)") == ["1"])
    #expect(places(PathRules.findings, "README.md", "src\(path) and $HOME\(path)") == [])
  }

  @Test func `a finding names its place and its mend`() {
    let finding = FailureRules.findings(in: SourceFile("Sources/MoontideLog/A.swift", "\ntry? f()")).first
    #expect(
      finding?.description.hasPrefix("Sources/MoontideLog/A.swift:2: try? drops the reason; mend: ") == true)
  }
}
