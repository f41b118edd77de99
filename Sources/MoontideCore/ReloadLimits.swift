/// Bounds of taking up edited scripts.
extension Limits {
  /// Scripts are read once nothing was written for so long: an editor writes a file within a few
  /// milliseconds, and nobody sees a twentieth of a second.
  public static let scriptsQuietTime = Duration.milliseconds(50)
  /// Where somebody writes all the time, how long that is waited for before they are read all the same.
  public static let scriptsSettleTimeMax = Duration.milliseconds(500)
  /// How often scripts are looked at though nothing was told: links, and file systems that tell nothing.
  public static let scriptsLookInterval = Duration.seconds(1)
  /// How long definitions must be gone before that is believed: a file that is saved in place is empty for a
  /// moment, one that is replaced is not there, and a checkout takes its time.
  public static let removalDoubtTime = Duration.seconds(1)
  /// The file with the scripts that a log began with: hundreds of them as large as they come.
  public static let firstScriptsBytesMax = 1 << 30
}
