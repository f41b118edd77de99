/// Sagas and what their functions can do: `ctx.c` registers it.
///
/// Optional tables of functions are written `{ [string]: fun(…) }`: behind `table<…>?` servers give their
/// parameters no type.
enum SagaManual {
  static let chapter = ManualChapter(
    "Sagas",
    [
      .type(
        ManualType(
          "SagaContext",
          "What a saga's own functions can do; all of it is one transaction with its state and the "
            + "checkpoint.", shown: "ctx",
          fields: [
            ManualField(
              "env", "table<string, EnvironmentReference>",
              "Names of `env` in moontide.lua; values only the effect gets")
          ],
          functions: [
            ManualFunction(
              ".send", "Sends a command to its decider, exactly once; returns its id.",
              parameters: [
                ManualField("command", "NewCommand")
              ],
              returns: "string"),
            ManualFunction(
              ".emit", "Puts an event into the log, exactly once; returns its id.",
              parameters: [
                ManualField("event", "NewEvent")
              ],
              returns: "string"),
            ManualFunction(
              ".effect",
              "Something to be done outside, recorded now and performed after the commit, those of "
                + "one instance in order; returns its key. What came of it is for `on_result`.",
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
              ".timer", "Sets the timer of that name; without a delay it is no more.",
              parameters: [
                ManualField("name", "string", "One of `timers`"),
                ManualField("delay?", "string", #"Such as "15m""#),
              ]),
            ManualFunction(
              ".compensate", "Gives the instance up, and undoes its steps from the last to the first.",
              parameters: [
                ManualField("reason", "string")
              ]),
            ManualFunction(
              ".complete", "Ends the instance as completed."),
          ])),
      .alias(ManualField("Sent", "NewCommand|NewCommand[]|nil")),
      .type(
        ManualType(
          "SagaStep",
          fields: [
            ManualField("name?", "string"),
            ManualField("send?", "fun(state: table): Sent"),
            ManualField("succeeds_on?", "string|string[]"),
            ManualField("fails_on?", "string|string[]"),
            ManualField("timeout?", "string", #"Such as "15m""#),
            ManualField("compensate?", "fun(state: table, result?: Event): Sent"),
            ManualField("parallel?", "SagaStep[]"),
          ])),
      .type(
        ManualType(
          "SagaDefinition",
          fields: [
            ManualField("starts_on", "string|string[]"),
            ManualField("correlate?", "table<string, string>|fun(event: Event): string|integer|nil"),
            ManualField("initial?", "fun(event: Event): table"),
            ManualField("steps?", "SagaStep[]"),
            ManualField("completed?", "fun(state: table): Sent"),
            ManualField("compensated?", "fun(state: table, why: table): Sent"),
            ManualField("on?", "{ [string]: fun(state: table, event: Event, ctx: SagaContext) }"),
            ManualField(
              "on_result?", "fun(state: table, result: Event, ctx: SagaContext)",
              "What came of an effect of the instance"),
            ManualField("timers?", "{ [string]: fun(state: table, ctx: SagaContext) }"),
            ManualField("clock?", #""event"|"wall""#),
            ManualField("topics?", "string[]", "Sees these topics alone"),
            ManualField("retry?", "RetryPolicy"),
            ManualField("exhausted?", #""park"|"skip"|"halt""#),
            ManualField("from?", #""start"|"now"|string"#),
            ManualField("was?", "string", "Its old name"),
            ManualField("wants?", "table<string, integer>"),
            ManualField(
              "migrate?", "fun(state: table, step?: string, status: string): table?, string|false|nil",
              "Brings an open instance that does not fit changed steps to the one to go on with; "
                + "false: behind the last"),
            ManualField(
              "pin?", "boolean",
              "Open instances that do not fit changed steps end by the script that they stand by"),
          ])),
      .function(
        ManualFunction(
          "saga", "A process of several steps, with what undoes them.",
          parameters: [
            ManualField("name", "string")
          ],
          returns: "fun(definition: SagaDefinition)")),
    ])
}
