import Glibc
import MoontideCore

/// A connected stream between two processes of this machine, in frames.
final class ControlSocket: @unchecked Sendable {
  // Unchecked: the descriptor never changes; one thread at a time reads and writes, and shutting down is of
  // any thread.
  private let descriptor: Int32
  /// Gives up waiting for the other side; set before it is used.
  var cancellation: QueryCancellation?

  init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Takes no more requests: whoever waits for one gets none, and what is on its way is still answered. From
  /// any thread.
  func stopReading() { shutdown(descriptor, Int32(SHUT_RD)) }

  /// Ends it for both sides, in the middle of whatever it is. From any thread.
  func sever() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// Throws `E0625`, and writes nothing, for what is larger than a frame may be.
  func send(_ frame: WireFrame) throws(Diagnostic) {
    guard frame.payload.count < Limits.controlFrameBytesMax else {
      throw Diagnostic(
        .frameTooLarge,
        "what is to be said has \(frame.payload.count) bytes; between two processes it has at most "
          + "\(Limits.controlFrameBytesMax)")
    }
    var bytes: [UInt8] = []
    let count = UInt32(frame.payload.count + 1)
    for shift in stride(from: 0, to: 32, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: count >> UInt32(shift)))
    }
    bytes.append(frame.kind.rawValue)
    bytes += frame.payload
    var sent = 0
    while sent < bytes.count {
      let result = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
      }
      if result < 0 {
        if errno == EINTR { continue }
        throw ControlSocket.broken("write")
      }
      sent += result
    }
  }

  /// The next frame; nil when the other side is done.
  func receive() throws(Diagnostic) -> WireFrame? {
    guard let head = try read(4) else { return nil }
    let count = head.indices.reduce(0) { $0 | Int(head[$1]) << ($1 * 8) }
    guard (1...Limits.controlFrameBytesMax).contains(count), let body = try read(count),
      let kind = WireFrame.Kind(rawValue: body[0])
    else { throw ControlSocket.broken("understand") }
    return WireFrame(kind, payload: Array(body[1...]))
  }

  private func read(_ count: Int) throws(Diagnostic) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      if cancellation != nil { try waitForBytes() }
      let result = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + done, count - done, 0) }
      if result == 0 {
        if done == 0 { return nil }
        throw ControlSocket.broken("read")
      }
      if result < 0 {
        if errno == EINTR { continue }
        throw ControlSocket.broken("read")
      }
      done += result
    }
    return bytes
  }

  /// Until there is something to read; looks whether that is still wanted ten times a second.
  private func waitForBytes() throws(Diagnostic) {
    var asked = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while poll(&asked, 1, 100) <= 0 {
      guard let cancellation, !cancellation.isCancelled else {
        sever()
        throw Diagnostic(.query, "the query was stopped", help: "run it again")
      }
    }
  }

  private static func broken(_ verb: String) -> Diagnostic {
    Diagnostic(
      code: HostCode.connection.code,
      "cannot \(verb) the connection to the running moontide: \(String(cString: strerror(errno)))",
      details: [.init("help", "if the run has ended, run the command again: it then works on the files")])
  }
}

/// The address of a project's socket. A Unix path has at most 107 bytes, a project may lie deeper: the
/// folder is opened and named through `/proc/self/fd`, which is always short.
struct ControlAddress: ~Copyable {
  private let folder: Int32

  private init(descriptor: Int32) { folder = descriptor }

  /// Nil when the folder does not exist.
  static func find(folder path: String) throws(Diagnostic) -> ControlAddress? {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if descriptor >= 0 { return ControlAddress(descriptor: descriptor) }
    let code = errno
    if code == ENOENT || code == ENOTDIR { return nil }
    throw FileError(operation: "open", path: path, errno: code, reason: String(cString: strerror(code)))
      .diagnostic
  }

  deinit { close(folder) }

  /// Binds and listens; replaces what a killed process left behind. The caller holds the project's lock.
  borrowing func listen() throws(Diagnostic) -> Int32 {
    unlinkat(folder, "socket", 0)
    let descriptor = try make()
    let bound = withAddress { bind(descriptor, $0, $1) }
    guard bound == 0, Glibc.listen(descriptor, Int32(Limits.controlConnectionsMax)) == 0 else {
      let code = errno
      let reason = String(cString: strerror(code))
      close(descriptor)
      // A socket takes a place in its folder: a full disk has none.
      let fault = FileError(operation: "create", path: "socket", errno: code, reason: reason)
      if fault.isPassing { throw fault.diagnostic }
      throw Diagnostic(
        code: HostCode.socket.code, "cannot listen on .moontide/socket: \(reason)",
        details: [.init("help", "delete .moontide/ and run again; it holds caches only")])
    }
    return descriptor
  }

  /// Nil when nobody listens.
  borrowing func connect() throws(Diagnostic) -> ControlSocket? {
    let descriptor = try make()
    guard withAddress({ Glibc.connect(descriptor, $0, $1) }) == 0 else {
      close(descriptor)
      return nil
    }
    return ControlSocket(descriptor: descriptor)
  }

  borrowing func remove() { unlinkat(folder, "socket", 0) }

  private borrowing func make() throws(Diagnostic) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else {
      let code = errno
      let reason = String(cString: strerror(code))
      let fault = FileError(operation: "open", path: "a socket", errno: code, reason: reason)
      if fault.isPassing { throw fault.diagnostic }
      throw Diagnostic(code: HostCode.socket.code, "cannot open a socket: \(reason)")
    }
    return descriptor
  }

  private borrowing func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    let path = Array("/proc/self/fd/\(folder)/socket".utf8)
    precondition(path.count <= Limits.socketPathBytesMax, "\(path.count) bytes of socket path")
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
