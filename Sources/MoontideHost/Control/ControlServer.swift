import Glibc
import MoontideCore
import Synchronization

/// Answers other `moontide` processes while this one runs the project: one thread takes connections, one
/// thread a connection serves it. Ends with `stop`.
final class ControlServer: @unchecked Sendable {
  // Unchecked: everything that changes is atomic or behind a lock; the service says itself that it may be
  // called from here.
  private let listener: Int32
  private let folder: String
  private let service: @Sendable () -> any ProjectAccess
  private let connections = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private let isAccepting = Atomic<Bool>(true)
  /// Of the connections that are being served.
  private let sockets = Mutex<[ObjectIdentifier: ControlSocket]>([:])

  /// - Parameter service: makes the access of one connection; called on its thread.
  init(folder: String, service: @escaping @Sendable () -> any ProjectAccess) throws(Diagnostic) {
    guard let address = try ControlAddress.find(folder: folder) else {
      throw FileError(operation: "open", path: folder, errno: ENOENT, reason: "it is gone").diagnostic
    }
    self.folder = folder
    self.service = service
    listener = try address.listen()
    guard
      spawn({ [self] in
        accept()
        isAccepting.store(false, ordering: .releasing)
      })
    else {
      close(listener)
      address.remove()
      throw Diagnostic(
        passing: "cannot start a thread for the other commands",
        help: "end other processes, or raise ulimit -u and ulimit -v")
    }
  }

  /// Takes no more connections and no more requests, lets what is being answered finish, and removes the
  /// socket. Who does not take his answer, as a pager that nobody scrolls, gets no more of it after a while.
  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    shutdown(listener, Int32(SHUT_RDWR))
    // Should it stay behind: nobody listens, and the next run replaces it.
    unlink(folder + "/socket")
    sockets.withLock { for socket in $0.values { socket.stopReading() } }
    let patience = ContinuousClock.now + Limits.controlStopTime
    var isSevered = false
    while connections.load(ordering: .acquiring) > 0 || isAccepting.load(ordering: .acquiring) {
      if !isSevered, ContinuousClock.now > patience {
        isSevered = true
        sockets.withLock { for socket in $0.values { socket.sever() } }
      }
      usleep(1_000)
    }
    close(listener)
  }

  private func accept() {
    while !stopping.load(ordering: .acquiring) {
      let descriptor = Glibc.accept(listener, nil, nil)
      if descriptor < 0 {
        // Out of descriptors or memory: whoever connects waits in the queue.
        if errno != EINTR, errno != ECONNABORTED, !stopping.load(ordering: .acquiring) { usleep(50_000) }
        continue
      }
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      while connections.load(ordering: .acquiring) >= Limits.controlConnectionsMax { usleep(1_000) }
      connections.add(1, ordering: .acquiringAndReleasing)
      let socket = ControlSocket(descriptor: descriptor)
      sockets.withLock { $0[ObjectIdentifier(socket)] = socket }
      // `stop` may have been through all of them a moment ago.
      if stopping.load(ordering: .sequentiallyConsistent) { socket.stopReading() }
      let isServed = spawn { [self] in
        serve(socket)
        sockets.withLock { $0[ObjectIdentifier(socket)] = nil }
        connections.subtract(1, ordering: .acquiringAndReleasing)
      }
      // The other side sees a connection that ended, and says so.
      if !isServed {
        sockets.withLock { $0[ObjectIdentifier(socket)] = nil }
        connections.subtract(1, ordering: .acquiringAndReleasing)
      }
    }
  }

  private func serve(_ socket: ControlSocket) {
    let access = service()
    do throws(Diagnostic) {
      while let frame = try socket.receive() {
        do throws(Diagnostic) {
          try answer(frame, access, socket)
          try socket.send(WireFrame(.done))
        } catch { try socket.send(WireFrame(error)) }
      }
    } catch {
      // The other side went away; nobody is left to be told, and what it asked for is done or not begun.
      return
    }
  }

  private func answer(_ request: WireFrame, _ access: any ProjectAccess, _ socket: ControlSocket)
    throws(Diagnostic)
  {
    var frame = request
    switch frame.kind {
    case .query:
      guard let request = frame.queryRequest() else { throw ControlServer.misread }
      try access.query(request, to: SocketSink(socket))
    case .append:
      guard let request = frame.publishRequest(), !request.topic.isSystem else { throw ControlServer.misread }
      let outcome = try access.append(request)
      var reply = WireFrame(.outcome)
      reply.put(Int64(outcome.published))
      reply.put(Int64(outcome.repeats))
      reply.put(Int64(outcome.end.value))
      try socket.send(reply)
    case .export:
      guard let request = frame.exportRequest() else { throw ControlServer.misread }
      try access.export(request, to: SocketSink(socket))
    case .send:
      guard let request = frame.sendRequest() else { throw ControlServer.misread }
      try socket.send(WireFrame(try access.send(request)))
    case .state:
      guard let request = frame.stateRequest() else { throw ControlServer.misread }
      let sink = SocketSink(socket)
      try access.state(request, to: sink, observer: sink)
    case .dead:
      guard let request = frame.deadRequest() else { throw ControlServer.misread }
      try access.decide(request, to: SocketSink(socket))
    case .effects:
      guard let request = frame.effectsRequest() else { throw ControlServer.misread }
      try access.perform(request, to: SocketSink(socket))
    case .saga:
      guard let request = frame.sagaRequest() else { throw ControlServer.misread }
      try access.decide(request, to: SocketSink(socket))
    case .reload:
      guard let request = frame.reloadRequest() else { throw ControlServer.misread }
      for reply in WireFrame.frames(of: try access.reload(request)) { try socket.send(reply) }
    case .rebuild:
      guard let request = frame.rebuildRequest() else { throw ControlServer.misread }
      let outcome = try access.rebuild(request, observer: SocketSink(socket))
      try socket.send(WireFrame(outcome))
    default: throw ControlServer.misread
    }
  }

  private static var misread: Diagnostic {
    Diagnostic(
      code: HostCode.versions.code, "the running moontide does not understand this command",
      details: [.init("help", "both processes must be of the same version: stop the run and start it again")])
  }

  /// False when the system has no room for another thread.
  private func spawn(_ body: @escaping @Sendable () -> Void) -> Bool {
    final class Box {
      let body: @Sendable () -> Void; init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 4 << 20)
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    let result = pthread_create(
      &thread, &attributes,
      { pointer in
        Unmanaged<Box>.fromOpaque(pointer!).takeRetainedValue().body()
        return nil
      }, box.toOpaque())
    pthread_attr_destroy(&attributes)
    if result != 0 { box.release() }
    return result == 0
  }
}

/// Rows and lines as frames.
private final class SocketSink: RowSink, ByteSink, MomentObserver, RebuildObserver {
  private let socket: ControlSocket

  init(_ socket: ControlSocket) { self.socket = socket }

  func columns(_ names: [String]) throws(Diagnostic) {
    var frame = WireFrame(.columns)
    frame.put(Int64(names.count))
    for name in names { frame.put(name) }
    try socket.send(frame)
  }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    var frame = WireFrame(.row)
    frame.put(row)
    try socket.send(frame)
  }

  func resolved(_ text: String) throws(Diagnostic) {
    var frame = WireFrame(.resolved)
    frame.put(text)
    try socket.send(frame)
  }

  func note(_ text: String) throws(Diagnostic) {
    var frame = WireFrame(.note)
    frame.put(text)
    try socket.send(frame)
  }

  func progress(_ status: RebuildStatus) throws(Diagnostic) { try socket.send(WireFrame(status)) }

  func write(_ bytes: [UInt8], topic: TopicName) throws(Diagnostic) {
    var frame = WireFrame(.bytes)
    frame.put(topic.text)
    frame.put(bytes)
    try socket.send(frame)
  }
}
