extension CodeExplanation {
  /// The texts of what `check` advises.
  static func ofGuidance(_ code: RuntimeCode) -> CodeExplanation? {
    switch code {
    case .eventName:
      .init(
        "an event's name does not say what happened",
        what: "An event is a fact, and its name is read for as long as the log lives: OrderPlaced tells that "
          + "something happened, PlaceOrder asks for it, Order says neither.",
        help: "Name it in the past tense. Stored events get the new name by an upcaster with rename.")
    case .commandName:
      .init(
        "a command's name does not say what to do",
        what: "A command asks for something and may be refused; a name in the past tense reads like a fact.",
        help: "Name it in the imperative: PlaceOrder.")
    case .thinEvent:
      .init(
        "an event carries nothing but ids",
        what:
          "Who reads it must ask somewhere else what it was, and gets the answer of today, not of the time "
          + "when it happened: no fold of the log can then be repeated.",
        help: "Put the values into the event that belong to what happened.")
    case .unreadTypes:
      .init(
        "there are stored events that no handler reads",
        what: "A mistyped type in `on` is the usual reason; events that are for other programs are another.",
        help: "Correct the name, handle the type, or leave it so.")
    case .commandWithoutDecider:
      .init(
        "no decider takes a command",
        what: "A command without a decider would wait for ever: nobody could answer it.",
        help: "Write its `decide` function, or correct the name.")
    default: nil
    }
  }
}
