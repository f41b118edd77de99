import MoontideCore
import MoontideHost

/// A sink that says when it has everything on its way.
protocol FinishingByteSink: ByteSink {
  func finish() throws(Diagnostic)
}
