import Foundation
import MoontideCore
import MoontideHost
import Synchronization

/// Asks a project's read models one question, a hundred times a second, on a thread of its own, by the way of
/// `moontide query` in another process than the run.
final class LivePolls: Sendable {
  struct Poll: Sendable {
    var values: [Int]
    var took: Duration
  }

  private struct State {
    var polls: [Poll] = []
    var faults: [String] = []
    var hasEnded = false
    var isDone = false
  }

  private let state = Mutex(State())

  init(_ folder: URL, _ question: String) {
    let paths = ProjectPaths(root: folder.path)
    let thread = Thread { [self] in
      while !(state.withLock { $0.hasEnded }) {
        let began = ContinuousClock.now
        poll(paths, question, began)
        let left = (.milliseconds(10) - (ContinuousClock.now - began)) / .microseconds(1)
        if left > 0 { usleep(UInt32(left)) }
      }
      state.withLock { $0.isDone = true }
    }
    thread.stackSize = 4 << 20
    thread.start()
  }

  private func poll(_ paths: ProjectPaths, _ question: String, _ began: ContinuousClock.Instant) {
    let sink = NumberSink()
    do throws(Diagnostic) {
      try ProjectDoor.query(QueryRequest(question), of: paths, to: sink)
    } catch {
      let fault = "\(error.code) \(error.title) \(error.details.map(\.text))"
      state.withLock { $0.faults.append(fault) }
      return
    }
    let took = ContinuousClock.now - began
    state.withLock { state in
      if sink.rows.count == 1 {
        state.polls.append(Poll(values: sink.rows[0], took: took))
      } else {
        state.faults.append("\(sink.rows.count) rows")
      }
    }
  }

  /// The last one's values; empty before the first.
  var last: [Int] { state.withLock { $0.polls.last?.values ?? [] } }
  var faults: [String] { state.withLock { $0.faults } }

  /// All of them, after the last.
  func end() throws -> [Poll] {
    state.withLock { $0.hasEnded = true }
    try LiveRun.wait("the end of polls") { state.withLock { $0.isDone } }
    return state.withLock { $0.polls }
  }

  /// Keeps rows of integers.
  private final class NumberSink: RowSink {
    var rows: [[Int]] = []
    func columns(_ names: [String]) throws(Diagnostic) {}
    func row(_ row: RowBuffer) throws(Diagnostic) {
      rows.append(row.cells.map { $0.kind == .integer ? Int($0.bits) : Int.min })
    }
  }
}
