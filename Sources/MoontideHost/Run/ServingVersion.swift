package import MoontideCore

/// The version of a projection that serves while another one is folded beside it. Called by the thread of
/// that other one.
package protocol ServingVersion: AnyObject {
  /// Has it end at the end of its batch, and says how far it came; nil when the other one is not to take its
  /// place any more, and then nothing is done.
  func stop() throws(Diagnostic) -> Position?
  /// The other one has its place.
  func isReplaced()
  /// The other one could not take its place: it goes on.
  func goOn()
}
