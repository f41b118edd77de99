/// What `--version` says.
public enum MoontideVersion {
  public static let text = "0.1.0"
}
