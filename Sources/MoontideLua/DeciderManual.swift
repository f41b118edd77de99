/// The write side: `builders.c` registers `reject`.
enum DeciderManual {
  static let chapter = ManualChapter(
    "Deciders",
    [
      .type(
        ManualType(
          "Command", "What is asked of a decider, read-only.", shown: "command",
          fields: [
            ManualField("id", "string"),
            ManualField("source", "string"),
            ManualField("type", "string"),
            ManualField("version", "integer"),
            ManualField("key", "string", "Of its stream"),
            ManualField("time", "string"),
            ManualField("data", "table"),
            ManualField("meta", "table"),
          ])),
      .type(
        ManualType(
          "Rejection", "What `reject` makes, for `decide` to return.")),
      .alias(
        ManualField(
          "Decided", "NewEvent|NewEvent[]|Rejection",
          "One event, a list, {} (nothing happened) or a rejection")),
      .type(
        ManualType(
          "DeciderDefinition",
          fields: [
            ManualField("topic?", "string", #"Where its events go; "events" unless given"#),
            ManualField(
              "key?", "string",
              "The field of a command's data that names its stream; else the command's key does"),
            ManualField("initial?", "fun(): any", "The state of a stream without events; {} unless given"),
            ManualField(
              "decide", "table<string, fun(command: Command, state: any): Decided>",
              "By type of command"),
            ManualField(
              "evolve", "table<string, fun(state: any, event: Event): any>",
              "By type of event; returns the state"),
            ManualField("snapshot_every?", "integer", "Keeps the state after so many events of a stream"),
            ManualField("was?", "string", "Its old name: it keeps its identity"),
          ])),
      .function(
        ManualFunction(
          "decider", "Decides commands by the state that the stream's own events make. Pure.",
          parameters: [
            ManualField("name", "string")
          ],
          returns: "fun(definition: DeciderDefinition)")),
      .function(
        ManualFunction(
          "reject", "Says no: nothing happens, and whoever sent the command gets code and text.",
          parameters: [
            ManualField("code", "string", #"Such as "ORDER_EXISTS""#),
            ManualField("text?", "string"),
          ],
          returns: "Rejection")),
    ])
}
