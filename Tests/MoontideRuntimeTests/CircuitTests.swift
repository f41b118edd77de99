import MoontideCore
import Testing

@testable import MoontideRuntime

struct CircuitTests {
  private func opened(at now: Duration) -> Circuit {
    var circuit = Circuit()
    for _ in 0..<Limits.circuitFailures { circuit.fail(at: now) }
    return circuit
  }

  @Test func `failures one behind the other open a circuit and a success between them does not let them`() {
    var circuit = Circuit()
    for _ in 0..<Limits.circuitFailures - 1 { circuit.fail(at: .zero) }
    #expect(circuit.ask(at: .zero) == nil && !circuit.isOpen)
    circuit.succeed()
    #expect(circuit.isClear)
    for _ in 0..<Limits.circuitFailures - 1 { circuit.fail(at: .zero) }
    #expect(!circuit.isOpen)
    circuit.fail(at: .zero)
    #expect(circuit.isOpen)
  }

  @Test func `an open circuit lets one try through after its rest and rests twice as long when that fails`() {
    var circuit = opened(at: .zero)
    var now = Duration.zero
    var rest = Limits.circuitRest
    for _ in 0..<10 {
      #expect(circuit.ask(at: now) == now + rest)
      now += rest
      #expect(circuit.ask(at: now) == nil, "the probe is let through")
      #expect(circuit.ask(at: now) != nil, "a second one is not")
      circuit.fail(at: now)
      rest = min(rest * 2, Limits.circuitRestMax)
    }
    #expect(rest == Limits.circuitRestMax)
    now += rest
    #expect(circuit.ask(at: now) == nil)
    circuit.succeed()
    #expect(circuit.ask(at: now) == nil && circuit.ask(at: now) == nil)
  }

  @Test func `a target that asks to be left alone is at once`() {
    var circuit = Circuit()
    circuit.fail(at: .seconds(1), asked: .seconds(40))
    #expect(circuit.ask(at: .seconds(2)) == .seconds(41))
    #expect(circuit.ask(at: .seconds(41)) == nil)
  }

  @Test func `a probe that says nothing is followed by another one`() {
    var circuit = opened(at: .zero)
    #expect(circuit.ask(at: Limits.circuitRest) == nil)
    circuit.leave(at: Limits.circuitRest)
    #expect(circuit.ask(at: Limits.circuitRest) == nil)
  }

  @Test func `targets have circuits of their own`() {
    let board = CircuitBoard()
    for _ in 0..<Limits.circuitFailures { board.fail("a", at: .zero, asked: nil) }
    #expect(board.ask("a", at: .zero) != nil && board.ask("b", at: .zero) == nil)
    #expect(board.open == ["a"])
    board.succeed("a")
    #expect(board.open == [])
  }
}
