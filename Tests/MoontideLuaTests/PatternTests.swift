import Testing

@testable import MoontideLua

/// Our matcher says what Lua 5.4 says; the expected lines were printed by lua5.4.
@Suite struct PatternTests {
  @Test(arguments: [
    ("('hello world'):find('o w')", "5\t7"),
    ("('hello'):find('l')", "3\t3"),
    ("('hello'):find('xyz')", "nil"),
    ("('hello'):find('')", "1\t0"),
    ("('hello'):find('', 6)", "6\t5"),
    ("('hello'):find('', 7)", "nil"),
    ("('hello'):find('l', -2)", "4\t4"),
    ("('a.b'):find('.', 1, true)", "2\t2"),
    ("('a.b'):find('%.')", "2\t2"),
    ("('key = value'):match('^(%w+)%s*=%s*(%w+)$')", "key\tvalue"),
    ("('key = value'):find('(%w+)%s*=%s*(%w+)')", "1\t11\tkey\tvalue"),
    ("('  trim  '):match('^%s*(.-)%s*$')", "trim"),
    ("('2026-03-02'):match('(%d+)-(%d+)-(%d+)')", "2026\t03\t02"),
    ("('abc'):match('()b()')", "2\t3"),
    ("('f(a(b)c)d'):match('%b()')", "(a(b)c)"),
    ("('THE (quick) fox'):find('%((%a+)%)')", "5\t11\tquick"),
    ("('THE (quick) fox'):gsub('%f[%a]%a+', '<%0>')", "<THE> (<quick>) <fox>\t3"),
    ("([[say 'hi' or \"no\"]]):match([[(['\"])(.-)%1]])", "'\thi"),
    ("('hello'):gsub('', '-')", "-h-e-l-l-o-\t6"),
    ("('hello world'):gsub('o', '0', 1)", "hell0 world\t1"),
    ("('hello'):gsub('l+', function(s) return #s end)", "he2o\t1"),
    ("('$name is $age'):gsub('%$(%w+)', { name = 'Ada', age = 36 })", "Ada is 36\t2"),
    ("('abc'):gsub('%w', '%%%0')", "%a%b%c\t3"),
    ("('abc'):gsub('(a)(b)', '%2%1')", "bac\t1"),
    ("('abc'):gsub('b', false and '' or function() return nil end)", "abc\t1"),
    ("('abc'):gsub('^a', 'x')", "xbc\t1"),
    ("('x^y'):find('^', 1, true)", "2\t2"),
    ("('a-b'):match('[a%-]+')", "a-"),
    ("('a]b'):match('[]]')", "]"),
    ("('a^b'):match('[%^x]')", "^"),
    ("('0x1F'):match('^0[xX](%x+)$')", "1F"),
    ("('aXb'):gsub('%u', '_')", "a_b\t1"),
    ("('caf\\xc3\\xa9'):match('[\\x80-\\xff]+') == '\\xc3\\xa9'", "true"),
    ("('aaa'):match('a-$')", "aaa"),
    ("('aab'):match('a?a?a?b')", "aab"),
    ("('a\\0b'):find('%z')", "2\t2"),
    ("('a\\0b'):find('\\0')", "2\t2"),
    ("('a$b'):find('$', 1)", "4\t3"),
    ("('a$b'):match('a$b')", "a$b"),
    ("(('one two  three'):gsub('%S+', string.upper))", "ONE TWO  THREE"),
    ("('abc'):match('.', -1)", "c"),
    ("#('x'):rep(300):match('.*')", "300"),
  ])
  func `a pattern finds what Lua finds`(expression: String, printed: String) throws {
    #expect(try Bench().lines("print(\(expression))") == [printed])
  }

  @Test func `gmatch goes through all matches`() throws {
    let lines = try Bench().lines(
      """
      for key, value in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do print(key, value) end
      for word in ("one two"):gmatch("%a+") do print(word) end
      for at in ("aXbX"):gmatch("()X") do print(at) end
      for empty in ("ab"):gmatch("x*") do print("[" .. empty .. "]") end
      for word in ("one two three"):gmatch("%a+", 5) do print(word) end
      """)
    #expect(
      lines == ["a\t1", "b\t2", "one", "two", "2", "4", "[]", "[]", "[]", "two", "three"])
  }

  @Test(arguments: [
    ("('x'):find('[a')", "malformed pattern (missing ']')"),
    ("('x'):find('%')", "malformed pattern (ends with '%')"),
    ("('x'):find('%b')", "malformed pattern (missing arguments to '%b')"),
    ("('x'):find('%f')", "missing '[' after '%f' in pattern"),
    ("('x'):find('(x')", "unfinished capture"),
    ("('x'):match('x)')", "invalid pattern capture"),
    ("('x'):find('%1')", "invalid capture index %1"),
    ("('x'):gsub('x', '%2')", "invalid capture index %2"),
    ("('x'):gsub('x', '%a')", "invalid use of '%' in replacement string"),
    ("('x'):gsub('x', function() return {} end)", "invalid replacement value (a table)"),
    ("('x'):rep(300):find(('(x)'):rep(33))", "too many captures"),
    ("('x'):rep(300):find(('x?'):rep(250))", "pattern too complex"),
    (
      "('x'):rep(10000):gsub('x', ('y'):rep(1000))",
      "string.gsub: the result is too long: at most 4194304 bytes"
    ),
  ])
  func `a pattern that is none is an error`(body: String, message: String) throws {
    #expect(try Bench().fault(body).message == message)
  }
}
