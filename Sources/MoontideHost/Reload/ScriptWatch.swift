import MoontideCore
import Synchronization

/// Looks for edited scripts, and for signals that ask to. On a thread of its own, with a stack of 2 MiB or
/// more.
///
/// `@unchecked Sendable`: it is made on one thread and stepped, and waited for, on another one alone.
final class ScriptWatch: Worker, WaitingWorker, @unchecked Sendable {
  private let paths: ProjectPaths
  private let files: any FileSystem
  private let clock: any WallClock
  private let reloading: Reloading
  private let failed: @Sendable (Diagnostic) -> Void
  /// How often a signal asked.
  private let asked: @Sendable () -> Int
  private var answered: Int
  /// Nil: signals only.
  private let watch: DirectoryWatch?
  /// Whether something happened in the folders since they were last looked at.
  private var isStirred = true
  private var nextLook: Duration = .zero

  init(
    _ project: MoontideProject, _ reloading: Reloading, watches: Bool, asked: @escaping @Sendable () -> Int,
    failed: @escaping @Sendable (Diagnostic) -> Void
  ) {
    paths = project.paths
    files = project.files
    clock = project.clock
    self.reloading = reloading
    self.asked = asked
    self.failed = failed
    answered = 0
    watch = watches ? DirectoryWatch() : nil
  }

  func step() -> StepOutcome {
    let asked = asked()
    if asked != answered {
      answered = asked
      do throws(Diagnostic) { _ = try reloading.take(ReloadRequest()) } catch { failed(error) }
      return .progressed
    }
    guard let watch else { return .idle(for: Limits.scriptsLookInterval) }
    if isStirred { settle(watch) }
    // Also when nothing was told: files that are links, and file systems without notices, tell nothing.
    if isStirred || clock.monotonic >= nextLook {
      follow(watch)
      isStirred = reloading.look()
      nextLook = clock.monotonic + Limits.scriptsLookInterval
      if isStirred { return .idle(for: Limits.scriptsQuietTime) }
    }
    return .idle(for: Limits.scriptsLookInterval)
  }

  /// Until nothing was written for a moment.
  private func settle(_ watch: DirectoryWatch) {
    let deadline = clock.monotonic + Limits.scriptsSettleTimeMax
    while clock.monotonic < deadline, watch.wait(for: Limits.scriptsQuietTime) {}
  }

  /// Folders come and go; one that is watched already costs a system call.
  private func follow(_ watch: DirectoryWatch) {
    do throws(Diagnostic) {
      for folder in try ScriptFiles.folders(paths, files: files) { watch.add(folder) }
    } catch {
      // A folder went while it was looked at: that is told as well, and it is looked again.
      isStirred = true
    }
  }

  func wait(for timeout: Duration) {
    guard let watch else { return clock.sleep(for: timeout) }
    if watch.wait(for: timeout) { isStirred = true }
  }
}
