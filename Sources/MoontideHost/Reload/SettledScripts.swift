import MoontideCore

/// Reads the scripts of a project as they were at one moment: when somebody writes while they are read, they
/// are read again.
struct SettledScripts {
  let paths: ProjectPaths
  let files: any FileSystem
  let clock: any WallClock

  func read() throws(Diagnostic) -> ScriptFiles {
    let deadline = clock.monotonic + Limits.scriptsSettleTimeMax
    while true {
      var refusal: Diagnostic?
      let before = try stamp()
      do throws(Diagnostic) {
        let scripts = try ScriptFiles.read(paths, files: files)
        if try stamp() == before { return scripts }
      } catch {
        // A file that was there when its folder was listed may be gone a moment later.
        guard error.code == HostCode.file.code, try stamp() != before else { throw error }
        refusal = error
      }
      guard clock.monotonic < deadline else {
        throw refusal
          ?? Diagnostic(
            code: HostCode.reload.code, "the scripts are being written all the time",
            details: [.init("help", "moontide reload, when whoever writes them has come to an end")])
      }
      clock.sleep(for: Limits.scriptsQuietTime)
    }
  }

  private func stamp() throws(Diagnostic) -> Digest {
    // A folder may vanish while it is walked: then it is walked again.
    var refusal: Diagnostic?
    for _ in 0..<3 {
      do throws(Diagnostic) { return try ScriptFiles.stamp(paths, files: files) } catch { refusal = error }
    }
    throw refusal ?? Diagnostic(code: HostCode.file.code, "the scripts cannot be listed")
  }
}
