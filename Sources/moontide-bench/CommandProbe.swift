import Foundation
import MoontideCore
import MoontideHost
import Synchronization

/// Sends commands beside a running project from some threads at once, each waiting for the outcome of its
/// command before it sends the next.
final class CommandProbe: RunObserver, Sendable {
  private struct State {
    var next = 0
    var left: Int
    var stopwatch = Stopwatch()
    var figure: Figure?
    var fault: String?
  }

  private let commands: [[UInt8]]
  private let senders: Int
  private let state: Mutex<State>

  init(_ commands: [[UInt8]], senders: Int) {
    self.commands = commands
    self.senders = senders
    state = Mutex(State(left: senders))
  }

  var isDone: Bool { state.withLock { $0.left == 0 } }

  func progress(_ progress: RunProgress) throws(Diagnostic) {}
  func problem(_ problem: Diagnostic) throws(Diagnostic) { throw problem }
  func printed(_ text: String) throws(Diagnostic) {}

  /// Begins on threads of its own.
  func start(_ access: any ProjectAccess & Sendable) {
    state.withLock { $0.stopwatch = Stopwatch() }
    for _ in 0..<senders { Thread.detachNewThread { [self] in send(access) } }
  }

  private func send(_ access: any ProjectAccess) {
    var fault: String?
    do {
      while let command = take() {
        let outcome = try access.send(SendRequest(line: command))
        guard outcome.verdict != .failed, !outcome.isRepeat else {
          throw BenchFault("\(outcome.id) was \(outcome.verdict): \(outcome.text)")
        }
      }
    } catch { fault = "\(error)" }
    state.withLock { state in
      state.fault = state.fault ?? fault
      if state.left == 1 { state.figure = state.stopwatch.figure(events: commands.count) }
      state.left -= 1
    }
  }

  private func take() -> [UInt8]? {
    state.withLock { state in
      guard state.next < commands.count, state.fault == nil else { return nil }
      defer { state.next += 1 }
      return commands[state.next]
    }
  }

  func figure() throws -> Figure {
    let (figure, fault) = state.withLock { ($0.figure, $0.fault) }
    if let fault { throw BenchFault(fault) }
    guard let figure else { throw BenchFault("no command was sent") }
    return figure
  }
}
