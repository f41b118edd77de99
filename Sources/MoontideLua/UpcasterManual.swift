/// How stored events come to their newest version: `upcast.c` registers what reshapes them.
enum UpcasterManual {
  static let chapter = ManualChapter(
    "Upcasters",
    [
      .type(
        ManualType(
          "Reshaped", "What `rename`, `split` and `drop` make, for an upcaster to return.")),
      .alias(
        // `[n]` takes version n to n+1; in `down` n to n-1, for `wants`. As a class with `[integer]` some
        // servers miss fields in it.
        ManualField(
          "UpcasterDefinition",
          "{ [integer]: fun(data: table, event: Event): (table|Reshaped), "
            + "down?: table<integer, fun(data: table, event: Event): table> }")),
      .function(
        ManualFunction(
          "upcaster",
          "Brings stored events of one type to the newest version: `[n]` takes version n to n+1, in `down` "
            + "n to n-1, for `wants`.",
          parameters: [
            ManualField("type", "string")
          ],
          returns: "fun(steps: UpcasterDefinition)")),
      .function(
        ManualFunction(
          "rename",
          "Gives the event another type; what it makes goes through that type's upcaster from its "
            + "version on.",
          parameters: [
            ManualField("type", "string"),
            ManualField("data", "table"),
            ManualField("version?", "integer", "1 unless given"),
          ],
          returns: "Reshaped")),
      .function(
        ManualFunction(
          "split",
          "Makes several events of one. Their ids are derived; key, time and meta are the event's "
            + "unless given.",
          parameters: [
            ManualField("parts", "NewEvent[]")
          ],
          returns: "Reshaped")),
      .function(
        ManualFunction(
          "drop", "Makes nothing of the event.",
          returns: "Reshaped")),
    ])
}
