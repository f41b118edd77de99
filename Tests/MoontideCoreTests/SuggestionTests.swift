import MoontideCore
import Testing

struct SuggestionTests {
  @Test func `a slip of a letter finds its word`() {
    #expect(Suggestion.nearest(to: "onn", among: ["on", "schema", "topics"]) == "on")
    #expect(Suggestion.nearest(to: "custmer", among: ["order", "customer"]) == "customer")
    #expect(Suggestion.nearest(to: "shcema", among: ["on", "schema"]) == "schema")
    #expect(Suggestion.nearest(to: "elephant", among: ["on", "schema"]) == nil)
  }
}
