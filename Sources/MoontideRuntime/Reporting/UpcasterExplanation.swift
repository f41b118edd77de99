extension CodeExplanation {
  /// The texts of what is told about upcasters.
  static func ofUpcaster(_ code: RuntimeCode) -> CodeExplanation? {
    switch code {
    case .upcasterCircle:
      .init(
        "upcasters go round in a circle",
        what: "What `rename` or `split` makes goes through the upcaster of its own type from its version on "
          + "(1 unless one is said). Here that leads back to where it began, so that the event would never "
          + "be through.",
        help: "Say the version that is meant: rename(\"Type\", data, 2), events.Type(data, { version = 2 }).")
    case .wantsWithoutPath:
      .init(
        "a handler wants a version that nothing leads to",
        what:
          "`wants = { Type = n }` stops the chain of the type's upcaster at n, and takes newer events down "
          + "to it by the functions of its `down`: down[3] leads from version 3 to 2. One is missing, or the "
          + "type or version is unknown.",
        help: "Add the step to `down`, or correct `wants`.")
    case .storedWithoutPath:
      .init(
        "stored events have a version that nothing leads up from",
        what: "Handlers see these events as they are stored, in a shape that is not the newest.",
        help: "Add the first steps of the upcaster's chain.")
    case .newerThanKnown:
      .init(
        "stored events are newer than the upcasters know",
        what:
          "A newer version of these scripts, or another program, wrote them. Handlers see them as they are.",
        help: "Take up the newer scripts, or add the steps that lead to this version.")
    case .versionUnsaid:
      .init(
        "an upcaster makes a type of several versions without saying which",
        what:
          "Without a version what `rename` and `split` make is version 1 of its type, and goes through the "
          + "type's upcaster. That is right for data written before the type had other versions, and wrong "
          + "for data in today's shape.",
        help: "Say it: rename(\"Type\", data, 2), events.Type(data, { version = 2 }), or 1 if that is meant.")
    case .renamedAway:
      .init(
        "a handler handles a type that upcasters make others of",
        what:
          "Handlers see what upcasters make. Every stored event of this type becomes something else, so this "
          + "function is never called.",
        help: "Handle the new type, or stop the chain before it with `wants`.")
    case .upcasterUnforeseen:
      .init(
        "an upcaster made what its text does not show",
        what:
          "Which handlers a stored event concerns is read from the texts of upcasters: plain calls of "
          + "`rename`, `split` and `drop` say what a step can make, what cannot be read counts as anything. "
          + "This step made something else all the same, so handlers that ought to see it may not be asked.",
        help: "Write rename(\"Type\", data), split { events.Type(data) } or drop() into the step itself.")
    default: nil
    }
  }
}
