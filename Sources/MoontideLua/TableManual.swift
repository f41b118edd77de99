/// Read models and their tables: `db.c` and `rows.c` register what is called here.
enum TableManual {
  static let chapter = ManualChapter(
    "Projections",
    [
      .alias(ManualField("Key", "Value|Value[]", "A list for a composite key")),
      .type(
        ManualType(
          "Table", "One table of a projection, as `db.NAME`.", shown: "db.TABLE",
          functions: [
            ManualFunction(
              ":put", "Writes the named columns of the row with that key, creating it.",
              parameters: [
                ManualField("row", "table<string, Value>")
              ]),
            ManualFunction(
              ":get", "The row, or nil.",
              parameters: [
                ManualField("key", "Key")
              ],
              returns: "table<string, Value>?"),
            ManualFunction(
              ":update", "Changes a row; false when there is none.",
              parameters: [
                ManualField("key", "Key"),
                ManualField("changes", "table<string, Value>"),
              ],
              returns: "boolean"),
            ManualFunction(
              ":delete", "Deletes the row with that key; false when there is none.",
              parameters: [
                ManualField("key", "Key")
              ],
              returns: "boolean"),
            ManualFunction(
              ":add", "Adds to columns, NULL counting as 0; creates the row.",
              parameters: [
                ManualField("key", "Key"),
                ManualField("amounts", "table<string, number>"),
              ]),
            ManualFunction(
              ":each", "The rows that have these values, in key order.",
              parameters: [
                ManualField("conditions", "table<string, Value>")
              ],
              returns: "fun(): table<string, Value>?"),
          ])),
      .type(
        ManualType(
          "Database", "A projection's own tables.", shown: "db",
          fields: [
            ManualField("[string]", "Table")
          ],
          functions: [
            ManualFunction(
              ":query", "Rows of a SELECT.",
              parameters: [
                ManualField("sql", "string"),
                ManualField("...", "Value"),
              ],
              returns: "table<string, Value>[]"),
            ManualFunction(
              ":exec", "Any insert, update or delete on the projection's own tables.",
              parameters: [
                ManualField("sql", "string"),
                ManualField("...", "Value"),
              ]),
            ManualFunction(
              ":table", "A table that is named like a method.",
              parameters: [
                ManualField("name", "string")
              ],
              returns: "Table"),
          ])),
      .type(
        ManualType(
          "ProjectionDefinition",
          fields: [
            ManualField("schema", "string", "SQL: tables, indexes, FTS5 tables"),
            ManualField("on", "table<string, fun(event: Event, db: Database)>"),
            ManualField("topics?", "string[]", "Sees these topics alone"),
            ManualField("exhausted?", #""halt""#),
            ManualField("was?", "string", "Its old name"),
            ManualField("wants?", "table<string, integer>", "Versions to see instead of the newest"),
          ])),
      .function(
        ManualFunction(
          "projection", "A read model: tables that are a fold of the log.",
          parameters: [
            ManualField("name", "string")
          ],
          returns: "fun(definition: ProjectionDefinition)")),
    ])
}
