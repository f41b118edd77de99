import Glibc

/// What libFuzzer calls, of the target that `MOONTIDE_FUZZ_TARGET` names.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  FuzzEntry.target.run(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}

enum FuzzEntry {
  static let target: FuzzTarget = {
    let name = getenv("MOONTIDE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
      print("MOONTIDE_FUZZ_TARGET is one of \(FuzzTarget.allCases.map(\.rawValue)), not \(name)")
      exit(64)
    }
    return target
  }()
}
