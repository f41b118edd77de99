import Foundation

/// The order workload: its lines, its right answer, and the programs beside it.
struct Workload {
  let folder: URL
  let scratch: URL
  let events: Int
  /// All lines, repeats included.
  let lines: URL
  /// Each identity once: what the floor reads.
  let distinctLines: URL
  /// The distinct lines in random order: neighbours share neither order nor user, so that nothing can be
  /// merged within a batch.
  let scatteredLines: URL
  /// Identities, orders, users, total revenue and digest, as `ref.py` prints them.
  let answer: String
  let scatteredAnswer: String
  let distinct: Int
  let opponent: URL

  /// Generates lines and answer, and compiles the opponent.
  init(folder: URL, scratch: URL, events: Int) throws {
    self.folder = folder
    self.scratch = scratch
    self.events = events
    guard FileManager.default.fileExists(atPath: folder.appending(path: "gen.py").path) else {
      throw BenchFault("no workload in \(folder.path): name its folder with --workload")
    }
    lines = scratch.appending(path: "events.jsonl")
    distinctLines = scratch.appending(path: "distinct.jsonl")
    opponent = scratch.appending(path: "afternoon")
    try Command.run(
      "python3", [folder.appending(path: "gen.py").path, "\(events)"], output: lines)
    let program =
      """
      import sys
      seen = set()
      for line in open(sys.argv[1]):
        if line[7:43] not in seen:
          seen.add(line[7:43])
          sys.stdout.write(line)
      """
    try Command.run("python3", ["-c", program, lines.path], output: distinctLines)
    scatteredLines = scratch.appending(path: "scattered.jsonl")
    let shuffle = """
      import random, sys
      lines = open(sys.argv[1]).readlines()
      random.Random(7).shuffle(lines)
      sys.stdout.writelines(lines)
      """
    try Command.run("python3", ["-c", shuffle, distinctLines.path], output: scatteredLines)
    answer = try Workload.answer(folder, lines)
    scatteredAnswer = try Workload.answer(folder, scatteredLines)
    guard let first = answer.split(separator: " ").first, let count = Int(first) else {
      throw BenchFault("ref.py answered \(answer)")
    }
    distinct = count
    try Command.run(
      "cc",
      [
        "-O2", "-o", opponent.path, folder.appending(path: "afternoon.c").path, "-I/usr/include/lua5.4",
        "-llua5.4",
        "-lsqlite3",
      ])
  }

  /// What `ref.py` says of a file.
  private static func answer(_ folder: URL, _ lines: URL) throws -> String {
    try Command.run("python3", [folder.appending(path: "ref.py").path, lines.path])
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// A library that takes the place of `lua_sethook` and sets none; its path.
  func hooklessLua() throws -> String {
    let source = scratch.appending(path: "hookless.c")
    let library = scratch.appending(path: "hookless.so")
    let text = "void lua_sethook(void *L, void *hook, int mask, int count) {}\n"
    try text.write(to: source, atomically: true, encoding: .utf8)
    try Command.run("cc", ["-O2", "-shared", "-fPIC", "-o", library.path, source.path])
    return library.path
  }

  /// Throws unless the two tables in the database give the digest of the right answer.
  func check(_ database: String, scattered: Bool = false) throws {
    let digest = (scattered ? scatteredAnswer : answer).split(separator: " ").last ?? ""
    let program = """
      import hashlib,sqlite3,sys
      db=sqlite3.connect('file:'+sys.argv[1]+'?mode=ro',uri=True)
      h=hashlib.md5()
      rows='select order_id,status,total,updated from order_status order by cast(order_id as blob)'
      for r in db.execute(rows):
        h.update(f'{r[0]}|{r[1]}|{r[2]}|{r[3]}\\n'.encode())
      for r in db.execute('select user_id,total from revenue order by cast(user_id as blob)'):
        h.update(f'{r[0]}|{r[1]}\\n'.encode())
      print(h.hexdigest())
      """
    let got = try Command.run("python3", ["-c", program, database]).trimmingCharacters(
      in: .whitespacesAndNewlines)
    guard got == digest else {
      throw BenchFault("\(database): the read model is wrong: digest \(got), right is \(digest)")
    }
  }
}

struct BenchFault: Error, CustomStringConvertible {
  let description: String
  init(_ text: String) { description = text }
}
