import MoontideCore
import MoontideRuntime

/// What stands around the simulated process in one scenario: who writes files, sends and decides, the scripts
/// that it finds, and who judges it. It is not on the process's side: it lives on when that dies.
protocol Scene: AnyObject {
  /// Handlers of a process, read models first.
  var handlerNames: [String] { get }
  var deciderNames: [String] { get }
  /// The scripts of today.
  var catalog: ProjectCatalog { get }
  /// Databases that may be deleted at any time.
  var caches: [String] { get }
  /// Whether the process met something by which it may refuse what is asked of it.
  var mayRefuse: () -> Bool { get set }
  /// How many records were read.
  var recordCount: Int { get }

  /// Who performs effects in one life of the process; nil where there are none.
  func performer(_ clock: SimulatedClock) -> SimulatedPerformer?

  // MARK: What happens

  /// One of the `Simulation.acts` things that happen outside.
  func act(_ number: Int, _ life: ProcessLife, _ numbers: SeededNumbers) throws(LogError)
  /// A person decides about some of a handler's dead letters, or has all of them tried again.
  func decide(_ handler: String, _ letters: [Position], all: Bool, _ life: ProcessLife) throws(Diagnostic)
  /// Scripts are edited between two lives.
  func edit(_ numbers: SeededNumbers)
  /// Scripts are mended, so that nothing fails at them any more.
  func mend()
  /// A life of the process begins with the scripts of today.
  func begins()
  /// The process is gone: what was under way gets no answer.
  func forgetUnderWay()
  /// A read model may go back, with its checkpoint, when the system lost what was not synced.
  func forgetDerived()
  /// What was begun outside is brought to its end.
  func finish()
  /// Whether there was something that had no answer yet, and was sent again.
  func sendAgain(to life: ProcessLife) -> Bool
  /// Everybody waits: true when something is still to come with time, and time moved on to it.
  func moveTimeOn(_ life: ProcessLife, _ clock: SimulatedClock) throws(LogError) -> Bool
  /// A person asks for what is stuck beside dead letters; whether there was any.
  func askAgain(_ life: ProcessLife) throws(LogError) -> Bool

  /// What happened so far, by a word for it: a scenario in which something never happens proves nothing.
  var tally: [String: Int] { get }

  // MARK: Judging

  /// What is wrong. - Parameter again: reads the whole log, as after a restart.
  func look(at life: ProcessLife, again: Bool) -> [String]
  /// What is wrong besides once everything is at rest, after a look.
  /// - Parameter isMended: every script is mended, and everything was tried again.
  func lookAtRest(_ life: ProcessLife, isMended: Bool) -> [String]
}
