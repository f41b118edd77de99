import MoontideCore
import MoontideJSON
import Synchronization
import Testing

@testable import MoontideRuntime

struct CommandInboxTests {
  private final class Answers: Sendable {
    let refusals = Mutex<[Diagnostic]>([])
    func take(_ reply: CommandReply) {
      guard case .refused(let problem) = reply else {
        Issue.record("it was decided")
        return
      }
      refusals.withLock { $0.append(problem) }
    }
  }

  private func command() throws -> Command {
    let catalog = try TestProject([
      "handlers/d.lua": """
      decider "d" {
        decide = { Do = function() return {} end }, evolve = { A = function(state) return state end },
      }
      """
    ]).catalog
    let batch = DraftBatch()
    var envelope = Envelope()
    envelope.id = batch.bytes.appendPart("c-1")
    envelope.type = batch.bytes.appendPart("Do")
    envelope.key = envelope.id
    envelope.data = batch.bytes.appendPart("{}")
    batch.drafts.append(Draft(topic: TopicID(0), envelope: envelope, body: .zero))
    try Command.complete(batch, catalog: catalog)
    return Command(batch.drafts[0], in: batch)
  }

  @Test func `a closed inbox says why there is no decider, to who waits and to who comes later`() throws {
    let answers = Answers()
    let asked = CommandInbox.Asked(try command()) { answers.take($0) }
    let inbox = CommandInbox()
    inbox.put(asked)
    let short = Diagnostic(code: "E0314", "no room")
    inbox.refuse(short)
    #expect(answers.refusals.withLock { $0 } == [short])
    inbox.put(asked)
    inbox.close(because: Diagnostic(code: "E0315", "the log cannot be read"))
    inbox.put(asked)
    // As the thread does that ends.
    inbox.close()
    inbox.put(asked)
    let later = answers.refusals.withLock { $0.dropFirst() }
    #expect(later.count == 3)
    for refusal in later {
      #expect(refusal.code == "E0342")
      #expect(refusal.title == "the decider does not run: the log cannot be read")
      #expect(refusal.details.first?.text.contains("E0315") == true)
    }
  }

  @Test func `one that was asked to end gives no other reason`() throws {
    let answers = Answers()
    let inbox = CommandInbox()
    inbox.close()
    inbox.put(CommandInbox.Asked(try command()) { answers.take($0) })
    #expect(
      answers.refusals.withLock { $0 }.map(\.title) == ["the decider ended before it came to this command"])
  }
}
