// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "Embed",
  dependencies: [.package(name: "moontide", path: "../..")],
  targets: [
    .executableTarget(
      name: "Embed", dependencies: [.product(name: "MoontideHost", package: "moontide")])
  ]
)
