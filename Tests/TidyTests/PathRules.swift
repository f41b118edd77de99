/// The project knows nothing of the machine that it was made on.
enum PathRules {
  /// Put together here, so that this file does not hold them.
  private static let machine = ["work", "root", "home", "Users"].map { "/" + $0 + "/" }

  static func findings(in file: SourceFile) -> [Finding] {
    file.lines.enumerated().compactMap { index, line in
      guard line.utf8.contains(UInt8(ascii: "/")), let path = machine.first(where: { begins(line, $0) })
      else { return nil }
      return file.finding(
        index + 1, "a path of one machine (\(path)…)", mend: "make it relative, or take it from #filePath")
    }
  }

  /// Whether an absolute path begins with `prefix` in the line; `src/work/` is none.
  private static func begins(_ line: String, _ prefix: String) -> Bool {
    var rest = line[...]
    while let range = rest.range(of: prefix) {
      let before = range.lowerBound > line.startIndex ? line[line.index(before: range.lowerBound)] : " "
      if !(before.isLetter || before.isNumber || "._-/*}$)>~".contains(before)) { return true }
      rest = rest[range.upperBound...]
    }
    return false
  }
}
