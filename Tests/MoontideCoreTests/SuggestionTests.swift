import MoontideCore
import Testing

struct SuggestionTests {
  @Test func `a slip of a letter finds its word`() {
    #expect(Suggestion.nearest(to: "onn", among: ["on", "schema", "topics"]) == "on")
    #expect(Suggestion.nearest(to: "custmer", among: ["order", "customer"]) == "customer")
    #expect(Suggestion.nearest(to: "shcema", among: ["on", "schema"]) == "schema")
    #expect(Suggestion.nearest(to: "elephant", among: ["on", "schema"]) == nil)
  }

  @Test func `a beginning finds its word, when there is one such word`() {
    #expect(Suggestion.begun(by: "init", among: ["initial", "topic"]) == "initial")
    #expect(Suggestion.begun(by: "initially", among: ["initial", "topic"]) == "initial")
    #expect(Suggestion.begun(by: "to", among: ["topic"]) == nil)
    #expect(Suggestion.begun(by: "top", among: ["topic", "topology"]) == nil)
  }
}
