@testable import MoontideSQLite
import MoontideCore
import Testing

@Suite struct FileSystemVFSTests {
  let files = MemoryFileSystem()

  private func makeVFS(_ name: String) -> FileSystemVFS {
    FileSystemVFS(name: name, files: files, clock: StepClock(), randomness: CountingNumbers())
  }

  private func create(_ vfs: FileSystemVFS) throws -> ProjectionStore {
    try ProjectionStore.create(
      path: "/data/p.sqlite", schema: "create table t(k text primary key, n integer)",
      identity: StoreIdentity(handler: "p", kind: .projection, scriptVersion: "v1"), vfs: vfs.name)
  }

  @Test func `a projection runs on files that are not the system's, in WAL mode`() throws {
    let vfs = makeVFS("projection-on-memory")
    do {
      let store = try create(vfs)
      for index in 0..<50 {
        let tx = try store.begin(folding: index % 2 == 0)
        try tx.row(.put, 0, [.text("k\(index)"), .int(Int64(index))])
        try tx.commit()
      }
      #expect(try files.list("/data") == ["/data/p.sqlite", "/data/p.sqlite-wal"])
      // A second connection sees the same rows through the shared WAL index.
      let reader = try ProjectionStore.open(path: "/data/p.sqlite", vfs: vfs.name)
      let tx = try reader.begin(folding: false)
      #expect(try tx.sql("select count(*), sum(n) from t") == [.int(50), .int(1225)])
      try tx.rollback()
    }
    let again = try ProjectionStore.open(path: "/data/p.sqlite", vfs: vfs.name)
    let tx = try again.begin(folding: false)
    #expect(try tx.sql("select count(*) from t") == [.int(50)])
    try tx.rollback()
  }

  @Test func `a consumer's commit meets a full disk and a failed sync, and goes on after them`() throws {
    let vfs = makeVFS("consumer-on-memory")
    let file = try ConsumerFile(
      path: "/data/c.sqlite", identity: StoreIdentity(handler: "c", kind: .consumer, scriptVersion: "v1"),
      vfs: vfs.name)
    let store = try file.store()
    func commit(_ id: String) throws {
      let tx = try store.begin(folding: false)
      try tx.write(.emit(ConsumerStoreTests.emitted(id)))
      do { try tx.commit() } catch {
        try tx.rollback()
        throw error
      }
    }
    try commit("a")
    files.state.withLock { $0.isFull = true }
    #expect(throws: StoreError.full(path: "/data/c.sqlite")) { try commit("b") }
    files.state.withLock {
      $0.isFull = false
      $0.failsSync = true
    }
    #expect(throws: StoreError.self) { try commit("c") }
    files.state.withLock { $0.failsSync = false }
    let syncs = files.state.withLock { $0.syncs }
    try commit("d")
    #expect(files.state.withLock { $0.syncs } > syncs, "a consumer's commit is flushed")
    #expect(
      try store.outbox(from: 0, limit: 10).map { String(decoding: $0.id, as: UTF8.self) } == ["a", "d"])
    #expect(try store.outbox(from: 0, limit: 10).map { $0.sequence } == [0, 1])
  }

  @Test func `what was committed is there after the process is gone`() throws {
    let vfs = makeVFS("crash-on-memory")
    let store = try create(vfs)
    let tx = try store.begin(folding: false)
    try tx.row(.put, 0, [.text("kept"), .int(1)])
    try tx.commit()
    let open = try store.begin(folding: false)
    try open.row(.put, 0, [.text("lost"), .int(1)])
    // The files as they are now, seen by a VFS that knows none of the locks.
    let copy = MemoryFileSystem()
    for path in try files.list("/data") {
      let content = files.state.withLock { $0.contents[path] }
      let bytes = content?.bytes.withLock { $0 } ?? []
      try copy.open(path, .readWrite).write(bytes, 0..<bytes.count, at: 0)
    }
    let after = FileSystemVFS(
      name: "after-crash", files: copy, clock: StepClock(), randomness: CountingNumbers())
    do {
      let recovered = try ProjectionStore.open(path: "/data/p.sqlite", vfs: after.name)
      let tx = try recovered.begin(folding: false)
      #expect(try tx.sql("select k from t") == [.text("kept")])
      try tx.rollback()
    }
    try open.rollback()
  }
}
