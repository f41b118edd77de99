import MoontideHost

/// Moontide inside another program: runs a project to its end and asks a read model.
@main
enum Embed {
  static func main() throws {
    let project = try MoontideProject.open(at: CommandLine.arguments.dropFirst().first ?? ".")
    try project.runOnce()
    for row in try project.query("select name, times from greeted.people order by name") {
      print(row["name"] ?? "", row["times"] ?? "")
    }
    try project.close()
  }
}
