/// What Lua does not have by itself: `sandbox_base.c` and `sandbox_table.c` register it.
enum ToolManual {
  static let chapter = ManualChapter(
    "Tools",
    [
      .type(
        ManualType(
          "moontide", isValue: true,
          functions: [
            ManualFunction(
              ".time", "Microseconds since 1970 of an RFC 3339 text.",
              parameters: [
                ManualField("text", "string")
              ],
              returns: "integer")
          ])),
      .function(
        ManualFunction(
          "array", "Marks a table as a JSON array, also when it is empty.",
          parameters: [
            ManualField("list?", "table")
          ],
          returns: "table")),
      .function(
        ManualFunction(
          "table.copy", "A copy to change: deep of what an event carries, flat of a table of yours.",
          parameters: [
            ManualField("value", "table")
          ],
          returns: "table")),
    ])
}
