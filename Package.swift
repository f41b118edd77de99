// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target of the project is built with: language mode 6, no warning left standing,
/// and imports that stay out of public signatures unless they say `public import`.
let swift: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("InternalImportsByDefault"),
]
/// The rooms that never touch a pointer without saying so.
let strict: [SwiftSetting] = swift + [.strictMemorySafety()]
let c: [CSetting] = [.treatAllWarnings(as: .error)]
let cxx: [CXXSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
  name: "moontide",
  products: [
    .executable(name: "moontide", targets: ["moontide"]),
    .executable(name: "moontide-bench", targets: ["moontide-bench"]),
    .library(name: "MoontideHost", targets: ["MoontideHost"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // Libraries of the system.
    .systemLibrary(name: "CLuaLibrary", pkgConfig: "lua5.4", providers: [.apt(["liblua5.4-dev"])]),
    .systemLibrary(name: "CSQLiteLibrary", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CEditLibrary", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),

    // Our C: small, each behind one Swift room.
    .target(name: "CChecksum", cSettings: c),
    .target(name: "CSimdjson", cxxSettings: cxx, linkerSettings: [.linkedLibrary("simdjson")]),
    .target(name: "CLua", dependencies: ["CLuaLibrary", "CSimdjson", "CChecksum"], cSettings: c),
    .target(name: "CSQLite", dependencies: ["CSQLiteLibrary"], cSettings: c),
    .target(name: "CEffects", dependencies: ["CCurl"], cSettings: c),
    .target(name: "CEdit", dependencies: ["CEditLibrary"], cSettings: c),

    // The rooms; arrows point down only.
    .target(name: "MoontideCore", dependencies: ["CChecksum"], swiftSettings: strict),
    .target(name: "MoontideJSON", dependencies: ["MoontideCore", "CSimdjson"], swiftSettings: swift),
    .target(name: "MoontideLog", dependencies: ["MoontideCore"], swiftSettings: swift),
    .target(name: "MoontideLua", dependencies: ["MoontideCore", "CLua"], swiftSettings: swift),
    .target(name: "MoontideSQLite", dependencies: ["MoontideCore", "CSQLite"], swiftSettings: swift),
    .target(
      name: "MoontideRuntime", dependencies: ["MoontideCore", "MoontideJSON", "MoontideLua"],
      swiftSettings: strict),
    .target(
      name: "MoontideEffects",
      dependencies: ["MoontideCore", "MoontideJSON", "MoontideRuntime", "CEffects"], swiftSettings: swift),
    .target(
      name: "MoontideHost",
      dependencies: [
        "MoontideCore", "MoontideJSON", "MoontideLog", "MoontideSQLite", "MoontideRuntime",
        "MoontideEffects", "CZlib",
      ],
      swiftSettings: swift),
    .executableTarget(
      name: "moontide",
      dependencies: [
        "MoontideCore", "MoontideHost", "CEdit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swift),
    .target(name: "CBenchFloor", dependencies: ["CSimdjson", "CSQLiteLibrary"], cxxSettings: cxx),
    .executableTarget(
      name: "moontide-bench",
      dependencies: [
        "MoontideHost", "MoontideRuntime", "MoontideLog", "MoontideJSON", "MoontideSQLite", "MoontideLua",
        "CBenchFloor",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swift),

    .testTarget(
      name: "MoontideCoreTests", dependencies: ["MoontideCore", "BorrowedFixtures"], swiftSettings: swift),
    .testTarget(
      name: "MoontideJSONTests", dependencies: ["MoontideJSON", "BorrowedFixtures"], swiftSettings: swift),
    .testTarget(name: "MoontideLogTests", dependencies: ["MoontideLog"], swiftSettings: swift),
    .testTarget(
      name: "MoontideLuaTests", dependencies: ["MoontideLua", "CLuaLibrary"], swiftSettings: swift),
    .testTarget(name: "MoontideSQLiteTests", dependencies: ["MoontideSQLite"], swiftSettings: swift),
    .testTarget(
      name: "MoontideRuntimeTests", dependencies: ["MoontideRuntime", "MoontideLog", "MoontideSQLite"],
      swiftSettings: swift),
    .testTarget(
      name: "MoontideEffectsTests", dependencies: ["MoontideEffects", "SmallServer"], swiftSettings: swift),
    .testTarget(
      name: "MoontideHostTests", dependencies: ["MoontideHost", "BorrowedFixtures"], swiftSettings: swift),
    .testTarget(
      name: "CommandTests", dependencies: ["moontide", "MoontideCore", "MoontideHost"], swiftSettings: swift),
    .testTarget(
      name: "AcceptanceTests",
      dependencies: ["moontide", "MoontideCore", "MoontideHost", "BorrowedFixtures", "SmallServer"],
      exclude: ["Projects"],
      swiftSettings: swift),
    .target(
      name: "Simulation",
      dependencies: [
        "MoontideCore", "MoontideJSON", "MoontideLua", "MoontideLog", "MoontideSQLite", "MoontideRuntime",
        "MoontideHost",
      ],
      path: "Tests/Simulation", swiftSettings: swift),
    .executableTarget(
      name: "simulate", dependencies: ["Simulation"], path: "Tests/Simulate", swiftSettings: swift),
    .testTarget(
      name: "SimulationTests",
      dependencies: [
        "Simulation", "simulate", "MoontideCore", "MoontideJSON", "MoontideLog", "MoontideRuntime",
        "MoontideHost",
      ],
      swiftSettings: swift),
    .target(name: "SmallServer", path: "Tests/SmallServer", swiftSettings: swift),
    .target(name: "BorrowedFixtures", path: "Tests/BorrowedFixtures", swiftSettings: swift),
    .testTarget(name: "TidyTests", swiftSettings: swift),
  ],
  cxxLanguageStandard: .cxx17
)

// The fuzz targets, for scripts/fuzz alone.
if Context.environment["MOONTIDE_FUZZ"] != nil {
  package.products.append(.library(name: "FuzzTargets", type: .static, targets: ["FuzzTargets"]))
  package.targets.append(
    .target(
      name: "FuzzTargets",
      dependencies: [
        "MoontideCore", "MoontideJSON", "MoontideLog", "MoontideLua", "MoontideRuntime", "Simulation",
      ],
      path: "Tests/Fuzz", swiftSettings: swift))
}
