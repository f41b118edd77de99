import MoontideCore

/// The functions that scripts and queries may call: pure, bounded in time, and no pointers. `printf` and
/// `format` are left out because one call can run for seconds where no progress handler fires.
enum SQLFunctions {
  static let pure: Set<String> = [
    "abs", "avg", "bm25", "ceil", "ceiling", "char", "coalesce", "count", "cume_dist", "degrees",
    "dense_rank",
    "exp", "first_value", "floor", "glob", "group_concat", "hex", "highlight", "ifnull", "iif", "instr",
    "json",
    "json_array", "json_array_length", "json_each", "json_extract", "json_group_array", "json_group_object",
    "json_insert", "json_object", "json_patch", "json_quote", "json_remove", "json_replace", "json_set",
    "json_tree", "json_type", "json_valid", "->", "->>", "lag", "last_value", "lead", "length", "like",
    "likelihood", "likely", "ln", "log", "log10", "log2", "lower", "ltrim", "match", "max", "min", "mod",
    "nth_value", "ntile", "nullif", "percent_rank", "pi", "pow", "power", "quote", "radians", "rank",
    "replace",
    "round", "row_number", "rtrim", "sign", "soundex", "sqrt", "substr", "substring", "subtype",
    "sum", "tan", "sin", "cos", "acos", "asin", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh",
    "atanh", "total", "trim", "trunc", "typeof", "unicode", "unlikely", "upper", "zeroblob",
    // By themselves pure; `DateFunctions` refuses "now" where there must be no clock.
    "date", "time", "datetime", "julianday", "strftime", "unixepoch",
  ]
  static let clocks: Set<String> = ["current_date", "current_time", "current_timestamp"]
  /// For people: it compares each place of a row with each other, within one call.
  static let slow: Set<String> = ["snippet"]
  static let random: Set<String> = ["random", "randomblob"]

  /// Why a function may not be called, or nil.
  static func refusal(_ name: String, clocks allowed: Bool) -> String? {
    let lower = name.lowercased()
    if pure.contains(lower) { return nil }
    if slow.contains(lower) {
      return allowed ? nil : "\(lower)() takes too long on long rows; queries have it"
    }
    if clocks.contains(lower) {
      return allowed ? nil : "\(lower) reads a clock; use the event's time: moontide.time(event.time)"
    }
    if random.contains(lower) {
      return allowed ? nil : "\(lower)() differs on every replay; a projection must be deterministic"
    }
    return "the function \(name) is not allowed here"
  }
}
