import MoontideCore
import Testing

@testable import MoontideRuntime

/// What `check` advises, and what it leaves alone.
struct GuidanceTests {
  private func advice(
    _ script: String, log: Guidance.LogView = Guidance.LogView(), deciders: Set<String>? = nil
  ) -> [String] {
    let catalog = TestProject.load(["handlers/a.lua": script])
    #expect(catalog.diagnostics.filter { $0.severity == .error } == [])
    return Guidance(catalog, log: log).diagnostics(deciders: deciders).map { diagnostic in
      let help = diagnostic.details.first { $0.label == "help" }?.text ?? ""
      return "\(diagnostic.code) \(diagnostic.place?.line ?? 0) \(diagnostic.title) · \(help)"
    }
  }

  /// A sample of events with these data, all of key `k-1`.
  private func sample(_ data: String...) -> TypeSample {
    var sample = TypeSample()
    for one in data {
      let batch = RecordBatch()
      var envelope = Envelope()
      envelope.key = batch.bytes.appendPart("k-1")
      envelope.data = batch.bytes.appendPart(one)
      sample.add(
        Record(
          position: Position(0), offset: Offset(0), topic: TopicID(0), partition: 0,
          recordedMicroseconds: 0, envelope: envelope), in: batch)
    }
    return sample
  }

  @Test(arguments: [
    "OrderPlaced", "OrderPaid", "PackageSent", "ItemWentOutOfStock", "SecurityAdvisoryWithdrawn",
    "order.placed",
    "order_placed", "OrderPlacedByPhone", "MoneyTransferred", "PasswordReset", "OfferSentBack", "LeadWon",
    "ProjectsV2ItemArchived", "AccountFreed", "UserLoggedIn", "HTTPRequestFailed", "InvoiceOverdue",
  ])
  func `a name in the past tense is left alone`(name: String) {
    #expect(NameWords(name).tellsOfThePast, "\(NameWords(name).words)")
  }

  @Test(arguments: [
    "PlaceOrder", "Order", "PullRequestSynchronize", "WorkflowJobInProgress", "FeedAnimal", "OrderPlacing",
  ])
  func `a name that does not say what happened is told`(name: String) {
    #expect(!NameWords(name).tellsOfThePast, "\(NameWords(name).words)")
    #expect(NameWords(name).isEnglish)
  }

  @Test func `a mere letter and words of other letters are not judged`() {
    for name in ["A", "T1", "X_Y", "ЗаказРазмещён", ""] { #expect(!NameWords(name).isEnglish, "\(name)") }
  }

  @Test func `a command is asked for in the imperative`() {
    for name in ["PlaceOrder", "SetPrice", "CutPower", "SendPaidInvoices", "RunReport", "Ship", "ReadMeter"] {
      #expect(NameWords(name).isImperative, "\(name)")
    }
    for name in ["OrderPlaced", "PlacedOrder", "PlacingOrder", "PasswordReset", "InvoicePaid"] {
      #expect(!NameWords(name).isImperative, "\(name)")
    }
  }

  @Test func `names are told where they are written first, once each`() {
    let script = """
      consumer "c" { from = "start", on = {
        PlaceOrder = function(event, ctx) ctx.emit(events.Receipt { text = "x" }) end,
        OrderPlaced = function(event, ctx)
          ctx.emit(events["Receipt"] { text = "x" })
          return commands.OrderShipped { order_id = 1 }, commands.ShipOrder {}
        end } }
      """
    #expect(
      advice(script).map { $0.prefix { $0 != "·" } } == [
        "E0151 2 the event PlaceOrder does not say what happened ",
        "E0151 2 the event Receipt does not say what happened ",
        "E0152 5 the command OrderShipped does not say what to do ",
      ])
  }

  @Test func `a command that no decider takes is an error, once there are deciders`() {
    let script = """
      consumer "c" { from = "start", on = { OrderPlaced = function(event, ctx)
        return commands.ShipOrder {}, commands.ShipOrdr {} end } }
      """
    #expect(advice(script) == [])
    #expect(
      advice(script, deciders: ["ShipOrder"]) == [
        "E0155 2 no decider takes the command ShipOrdr · did you mean `ShipOrder`?"
      ])
    let joined = script.replacing("commands.ShipOrdr", with: "commands[\"Ship\" .. kind]")
    #expect(advice(joined, deciders: ["ShipOrder"]) == [], "a name that is put together is none yet")
    #expect(RuntimeCode.commandWithoutDecider.severity == .error)
  }

  @Test func `events of ids alone are told, by what is stored or by what is written`() {
    var log = Guidance.LogView()
    log.samples["OrderShipped"] = sample(#"{"order_id":"7","customerId":3}"#, #"{"order_id":"8"}"#)
    log.samples["OrderPaid"] = sample(#"{"order_id":"7"}"#, #"{"order_id":"8","amount":5}"#)
    log.samples["OrderClosed"] = sample(#"{"order":"k-1"}"#)
    log.samples["OrderOpened"] = sample("{}")
    let script = """
      consumer "c" { from = "start", on = { OrderShipped = function(event, ctx)
        ctx.emit(events.ReceiptRequested { order_id = event.key })
        ctx.emit(events.OrderPaid({ order_id = event.key }))
        ctx.emit(events.MailSent { mail_id = 1 })
        ctx.emit(events.MailSent { mail_id = 1, text = f(1, { 2 }) })
      end } }
      """
    #expect(
      advice(script, log: log).map { $0.prefix { $0 != "·" } } == [
        "E0153 1 the event OrderShipped carries nothing but ids ",
        "E0153 2 the event ReceiptRequested carries nothing but ids ",
        "E0153 0 the event OrderClosed carries nothing but ids ",
      ])
  }

  @Test func `a field that no stored event has is told where it is asked for`() {
    var log = Guidance.LogView()
    log.samples["OrderPlaced"] = sample(#"{"customer":"ada","total":5}"#, #"{"customer":"ben","note":"x"}"#)
    let script = """
      consumer "c" { from = "start", on = { OrderPlaced = function(event, ctx)
        local data = event.data
        print(data.custmer, data.total, event.data.note, event.data.address.street, ctx.data.nothing)
        local rest = event.data.rest
        print(rest.of, other.data.x)
      end,
      OrderPaid = function(event) print(event.data.anything) end,
      ["*"] = function(event) print(event.data.whatever) end } }
      """
    let found = advice(script, log: log)
    #expect(
      found == [
        "E0330 3 consumer c: no event of type OrderPlaced has a field `address` in its data · they have: "
          + "customer, note, total",
        "E0330 3 consumer c: no event of type OrderPlaced has a field `custmer` in its data · did you mean "
          + "`customer`?",
        "E0330 4 consumer c: no event of type OrderPlaced has a field `rest` in its data · they have: "
          + "customer, note, total",
      ])
  }

  @Test func `a field is asked of the event's data only while the name surely means that`() {
    var log = Guidance.LogView()
    log.samples["OrderPlaced"] = sample(#"{"lines":[],"note":"x"}"#)
    let script = """
      consumer "c" { from = "start", on = { OrderPlaced = function(event, ctx)
        local data = event.data
        keep(data)
        print(data.before)
        for _, line in ipairs(data.lines) do
          local data = line.product
          print(data.sku)
        end
      end } }
      """
    #expect(
      advice(script, log: log).map { $0.prefix { $0 != "·" } } == [
        "E0330 4 consumer c: no event of type OrderPlaced has a field `before` in its data "
      ])
  }

  @Test func `nothing is called never there of a type whose names are too many to be remembered`() {
    let names = (0...Limits.sampledFieldsMax).map { "\"f\($0)\":1" }.joined(separator: ",")
    let script = """
      consumer "c" { from = "start", on = { OrderPlaced = function(event, ctx)
        print(event.data.f\(Limits.sampledFieldsMax)) end } }
      """
    var log = Guidance.LogView()
    log.samples["OrderPlaced"] = sample("{\(names)}")
    #expect(advice(script, log: log) == [])
  }

  @Test func `types that nobody reads are one line, with the name that was meant`() {
    var log = Guidance.LogView()
    for type in ["OrderPlaced", "AClosed", "BClosed", "CClosed", "DClosed", "EClosed", "FClosed"] {
      log.counts[type] = [1: 3]
    }
    let script = """
      consumer "c" { from = "start", on = { OrderPlacd = function(event, ctx)
        ctx.emit(events.AClosed { n = 1 }) end } }
      """
    #expect(
      advice(script, log: log).filter { $0.hasPrefix("E0154") } == [
        "E0154 0 no handler reads 6 types of stored events: BClosed, CClosed, DClosed, EClosed, FClosed and "
          + "1 more · a handler has `OrderPlacd`: did you mean `OrderPlaced`?"
      ])
    let all = "consumer \"c\" { from = \"start\", on = { [\"*\"] = function() end } }"
    #expect(advice(all, log: log) == [])
    let renamed = """
      upcaster "AClosed" { [1] = function(data) return rename("BClosed", data) end }
      consumer "c" { from = "start", on = { BClosed = function() end, ["*"] = function() end } }
      """
    #expect(advice(renamed, log: log) == [])
  }

  @Test func `versions without a way are told with how many stored events have them`() {
    var log = Guidance.LogView()
    log.counts["OrderPlaced"] = [1: 1_203, 2: 5, 4: 1_000_000, 7: 1]
    let script = """
      upcaster "OrderPlaced" { [2] = function(data) return data end, [3] = function(data) return data end,
        down = { [4] = function(data) return data end } }
      consumer "c" { from = "start", wants = { OrderPlaced = 3 }, on = { OrderPlaced = function() end } }
      """
    #expect(
      advice(script, log: log).map { $0.prefix { $0 != "·" } } == [
        "E0144 1 1 stored event of OrderPlaced is version 7, and the newest that is known is 4 ",
        "E0143 1 1,203 stored events of OrderPlaced are version 1, nothing leads from 1 to 2 ",
        "E0143 3 1 stored event of OrderPlaced is version 7, which nothing leads to version 3 that "
          + "consumer c wants ",
        "E0143 3 1,203 stored events of OrderPlaced are version 1, which nothing leads to version 3 that "
          + "consumer c wants ",
      ])
  }
}
