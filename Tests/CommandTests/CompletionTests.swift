import Testing

@testable import moontide

@Suite struct CompletionTests {
  private func completion() -> Completion {
    var words = Completion.Words()
    words.schemas = ["order_status", "revenue", "sys"]
    words.tables = ["order_status": ["orders"], "revenue": ["by_day"], "sys": ["events", "handlers"]]
    words.columns = [
      "order_status.orders": ["order_id", "status", "total_cents"],
      "revenue.by_day": ["day", "amount_cents"],
    ]
    words.lua = ["event(", "query "]
    words.fields = [
      "order": ["decide", "state"], "order.decide": ["PlaceOrder"],
      "order_status": ["OrderPlaced", "OrderPaid"],
    ]
    words.queries = ["revenue", "receipts"]
    words.types = ["OrderPlaced"]
    return Completion(words: words) { folder in folder == "." ? ["out.csv", "deep/"] : ["a.csv"] }
  }

  private func line(_ text: String, isPending: Bool = false) -> String {
    let answer = completion().complete(text, isPending: isPending, columns: 80)
    guard let replacement = answer.replacement else { return "[" + answer.listing + "]" }
    return String(text.dropLast(answer.replaced)) + replacement
  }

  @Test func `a word with one meaning is completed`() {
    #expect(line("sel") == "select ")
    #expect(line("select tot") == "select total")
    #expect(line("select total_") == "select total_cents ")
    #expect(line("select * from by") == "select * from by_day ")
    #expect(line("SELECT STA") == "SELECT status ")
  }

  @Test func `behind from come tables, behind a schema its tables, behind a table its columns`() {
    #expect(line("select * from o") == "select * from order")
    #expect(line("select * from order_status.") == "select * from order_status.orders ")
    #expect(line("select orders.st") == "select orders.status ")
    #expect(line("select * from sys.ev") == "select * from sys.events ")
  }

  @Test func `what begins several words is completed as far as they agree, then they are listed`() {
    #expect(line(".run re") == "[receipts  revenue\n]")
    #expect(line(".as") == ".as-")
    #expect(line(".as-o") == ".as-of ")
  }

  @Test func `Lua lines have handlers, with a bracket where they are called`() {
    #expect(line("= order_status.OrderPl") == "= order_status.OrderPlaced(")
    #expect(line("= order.dec") == "= order.decide.")
    #expect(line("= order.decide.") == "= order.decide.PlaceOrder(")
    #expect(line("> x = eve") == "> x = event(")
  }

  @Test func `files, modes, types and saved queries stand where they belong`() {
    #expect(line(".output o") == "[off      out.csv\n]")
    #expect(line(".output deep/") == ".output deep/a.csv ")
    #expect(line(".mode js") == ".mode json")
    #expect(line(".tail Ord") == ".tail OrderPlaced ")
    #expect(line(".live select * from by") == ".live select * from by_day ")
  }

  @Test func `nothing is completed within a text, and a dot within a statement is no command`() {
    #expect(line("select 'sel") == "[]")
    #expect(line(".mo", isPending: true) == "[]")
    #expect(line("  ") == "    ")
  }
}
