public import MoontideCore
import MoontideLog

/// The way to a project: through the process that runs it, or, when nobody does, by holding it for the moment.
public enum ProjectDoor {
  /// How long a command waits for another short one to let go of the project.
  private static let patience = Duration.seconds(10)

  /// For asking and publishing. Throws `E0608` when a process holds the project that does not answer.
  public static func access(_ paths: ProjectPaths) throws(Diagnostic) -> any ProjectAccess {
    let clock = SystemClock()
    let deadline = clock.monotonic + patience
    while true {
      if let client = try ControlClient.connect(paths) { return client }
      do throws(Diagnostic) { return RunningAccess(try MoontideProject.hold(paths)) } catch {
        guard error.code == HostCode.locked.code, clock.monotonic < deadline else { throw error }
      }
      clock.sleep(for: .milliseconds(20))
    }
  }
}
