/// What consumers can do: `ctx.c` and `effect.c` register it.
enum ContextManual {
  static let chapter = ManualChapter(
    "Consumers",
    [
      .type(
        ManualType(
          "Context", "What a consumer can do. All of it is recorded in one transaction with the checkpoint.",
          shown: "ctx",
          fields: [
            ManualField(
              "state", "any",
              "A table of yours, durable, per topic and key; nil at first; nested changes count"),
            ManualField(
              "env", "table<string, EnvironmentReference>",
              "Names of `env` in moontide.lua; values only the effect gets"),
          ],
          functions: [
            ManualFunction(
              ".effect",
              "Something to be done outside, recorded now and performed after the commit; returns its "
                + "key.",
              parameters: [
                ManualField("kind", "any"),
                ManualField("request", "any"),
              ],
              overloads: [
                #"fun(kind: "http", request: HttpRequest): string"#,
                #"fun(kind: "exec", request: ExecRequest): string"#,
                #"fun(kind: "log", request: LogRequest): string"#,
              ]),
            ManualFunction(
              ".emit", "Puts an event into the log, exactly once; returns its id.",
              parameters: [
                ManualField("event", "NewEvent")
              ],
              returns: "string"),
            ManualFunction(
              ".send",
              "Sends a command to its decider, exactly once; returns its id. sys.commands has its "
                + "outcome.",
              parameters: [
                ManualField("command", "NewCommand")
              ],
              returns: "string"),
          ])),
      .type(
        ManualType(
          "EnvironmentReference",
          "A value of the environment that no script sees: join it with texts by `..`, give it to "
            + "`ctx.effect`.",
          operators: ["concat(string): EnvironmentReference"])),
      .type(
        ManualType(
          "HttpRequest",
          fields: [
            ManualField("url", "string|EnvironmentReference"),
            ManualField(
              "method?", #""GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE"|"OPTIONS""#,
              "POST where there is a body"),
            ManualField("headers?", "table<string, string|EnvironmentReference>"),
            ManualField("json?", "any", "The body, as JSON"),
            ManualField("body?", "string", "The body, as it is"),
            ManualField("timeout?", "string", #""30s" unless given"#),
            ManualField("about?", "any", "Comes back as `result.data.about`"),
          ])),
      .type(
        ManualType(
          "ExecRequest",
          fields: [
            ManualField("program", "string", "A name of `programs` in moontide.lua"),
            ManualField("args?", "(string|EnvironmentReference)[]"),
            ManualField("stdin?", "string"),
            ManualField("json?", "any", "One line of JSON on stdin"),
            ManualField("env?", "table<string, string|EnvironmentReference>"),
            ManualField("timeout?", "string", #""30s" unless given"#),
            ManualField("about?", "any"),
          ])),
      .type(
        ManualType(
          "LogRequest",
          fields: [
            ManualField("file", "string", #"Below the project, such as "logs/orders.log""#),
            ManualField("text?", "string", "One line"),
            ManualField("json?", "any", "One line of JSON"),
            ManualField("about?", "any"),
          ])),
      .type(
        ManualType(
          "RetryPolicy",
          fields: [
            ManualField("attempts?", "integer"),
            ManualField("backoff?", "string"),
            ManualField("factor?", "number"),
            ManualField("max?", "string"),
          ])),
      .type(
        ManualType(
          "ConsumerDefinition",
          fields: [
            ManualField("on", "table<string, fun(event: Event, ctx: Context)>"),
            ManualField(
              "on_result?", "fun(result: Event, ctx: Context)",
              "What came of an effect: `result.data.ok`, `result.id` its key"),
            ManualField("topics?", "string[]", "Sees these topics alone"),
            ManualField("lanes?", "integer", "Lua states side by side"),
            ManualField("retry?", "RetryPolicy"),
            ManualField("exhausted?", #""park"|"skip"|"halt""#),
            ManualField(
              "from?", #""start"|"now"|string"#, "Where it begins in a log that has events already"),
            ManualField("was?", "string", "Its old name: it keeps its checkpoint, state and identity"),
            ManualField("wants?", "table<string, integer>", "Versions to see instead of the newest"),
          ])),
      .function(
        ManualFunction(
          "consumer", "Reacts to events.",
          parameters: [
            ManualField("name", "string")
          ],
          returns: "fun(definition: ConsumerDefinition)")),
    ])
}
