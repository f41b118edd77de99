/// What happened, and what scripts make of it.
enum EventManual {
  static let chapter = ManualChapter(
    "Events",
    [
      .type(
        ManualType(
          "null", "JSON null, SQL NULL. A field that is missing is nil, not null.", isValue: true)),
      .type(
        ManualType(
          "Event", "An event, read-only.", shown: "event",
          fields: [
            ManualField("id", "string"),
            ManualField("source", "string"),
            ManualField("type", "string"),
            ManualField("version", "integer"),
            ManualField("topic", "string"),
            ManualField("partition", "integer"),
            ManualField("offset", "integer"),
            ManualField("position", "integer"),
            ManualField("key", "string"),
            ManualField(
              "time", "string",
              "RFC 3339 as the source wrote it; `moontide.time(event.time)` gives microseconds"),
            ManualField("recorded", "string"),
            ManualField("data", "table"),
            ManualField("meta", "table"),
          ])),
      .alias(ManualField("Value", "string|number|boolean|null")),
      .type(
        ManualType(
          "Envelope", "What goes around the data; each field has a default.",
          fields: [
            ManualField("key?", "string|integer"),
            ManualField("id?", "string|integer"),
            ManualField("time?", "string", "RFC 3339"),
            ManualField("version?", "integer"),
            ManualField("topic?", "string", "Of events alone: a command goes to its decider"),
            ManualField("meta?", "table"),
          ])),
      .type(
        ManualType(
          "NewEvent", parent: "Envelope",
          fields: [
            ManualField("type", "string"),
            ManualField("data", "table"),
          ])),
      .type(
        ManualType(
          "NewCommand", parent: "Envelope",
          fields: [
            ManualField("type", "string"),
            ManualField("data", "table"),
          ])),
      .value(
        ManualField(
          "events", "table<string, fun(data?: table, envelope?: Envelope): NewEvent>",
          "Makes events: `events.OrderPlaced { … }`.")),
      .value(
        ManualField(
          "commands", "table<string, fun(data?: table, envelope?: Envelope): NewCommand>",
          "Makes commands: `commands.PlaceOrder { … }`.")),
    ])
}
