public import MoontideCore
import MoontideLog

/// The real files, clock and randomness, for programs around the host.
public enum SystemSurroundings {
  public static var files: any FileSystem { PosixFileSystem() }
  public static var clock: any WallClock { SystemClock() }
  public static var randomness: any Randomness { SystemRandomness() }
}
