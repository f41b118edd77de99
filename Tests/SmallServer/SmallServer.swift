import Foundation
import Glibc
import Synchronization

/// An HTTP server of one test on a port of its own: a thread takes connections, each request is answered by a
/// closure and the connection closed.
package final class SmallServer: Sendable {
  package struct Request: Sendable {
    package var method: String
    package var path: String
    /// By names in lower case.
    package var headers: [String: String]
    package var body: String
  }

  package struct Answer: Sendable {
    /// Written as it is: status line, headers, empty line, body.
    var bytes: [UInt8]
    /// Write nothing, and keep the connection until the other side ends it.
    var hangs = false
    /// End the connection after the request, without an answer.
    var drops = false

    package init(_ status: Int, headers: [String] = [], body: String = "") {
      let lines =
        ["HTTP/1.1 \(status) Text", "Content-Length: \(body.utf8.count)", "Connection: close"] + headers
      bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }

    package static var hanging: Answer {
      var answer = Answer(200)
      answer.hangs = true
      return answer
    }
    package static var dropping: Answer {
      var answer = Answer(200)
      answer.drops = true
      return answer
    }
  }

  package let port: UInt16
  private let listener: Int32
  private let seen = Mutex<[Request]>([])
  private let answer: @Sendable (Request, _ times: Int) -> Answer

  /// - Parameter answer: `times` is how often that Idempotency-Key came, this one included.
  package init(_ answer: @escaping @Sendable (Request, Int) -> Answer) throws {
    self.answer = answer
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { [listener] address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, length) == 0 && listen(listener, 64) == 0
          && getsockname(listener, address, &length) == 0
      }
    }
    guard bound else { throw Failure(text: "no port: \(String(cString: strerror(errno)))") }
    port = UInt16(bigEndian: address.sin_port)
    let server = Unmanaged.passRetained(self)
    var thread = pthread_t()
    let started = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<SmallServer>.fromOpaque(context!).takeRetainedValue().accept()
        return nil
      }, server.toOpaque())
    guard started == 0 else { throw Failure(text: "no thread") }
    pthread_detach(thread)
  }

  package struct Failure: Error { package var text: String }

  /// Ends the thread; the port answers no more.
  package func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  package var url: String { "http://127.0.0.1:\(port)" }
  package var requests: [Request] { seen.withLock { $0 } }

  private func accept() {
    while true {
      let connection = Glibc.accept(listener, nil, nil)
      if connection < 0 { return }
      let job = Unmanaged.passRetained(Job(server: self, connection: connection))
      var thread = pthread_t()
      if pthread_create(
        &thread, nil,
        { context in
          let job = Unmanaged<Job>.fromOpaque(context!).takeRetainedValue()
          job.server.serve(job.connection)
          return nil
        }, job.toOpaque()) == 0
      {
        pthread_detach(thread)
      } else {
        job.release()
        close(connection)
      }
    }
  }

  private final class Job: Sendable {
    let server: SmallServer
    let connection: Int32
    init(server: SmallServer, connection: Int32) {
      self.server = server
      self.connection = connection
    }
  }

  private func serve(_ connection: Int32) {
    defer { close(connection) }
    guard let request = read(connection) else { return }
    let times = seen.withLock { seen in
      seen.append(request)
      return seen.count { $0.headers["idempotency-key"] == request.headers["idempotency-key"] }
    }
    let answer = answer(request, times)
    if answer.drops { return }
    if answer.hangs {
      var byte: UInt8 = 0
      // Until the other side goes.
      while recv(connection, &byte, 1, 0) > 0 {}
      return
    }
    _ = send(connection, answer.bytes, answer.bytes.count, Int32(MSG_NOSIGNAL))
  }

  private func read(_ connection: Int32) -> Request? {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = recv(connection, &part, part.count, 0)
      if count <= 0 { return nil }
      bytes += part[..<count]
      let text = String(decoding: bytes, as: UTF8.self)
      guard let end = text.range(of: "\r\n\r\n") else { continue }
      let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
      let words = lines[0].split(separator: " ")
      var headers: [String: String] = [:]
      for line in lines.dropFirst() {
        let parts = line.split(separator: ":", maxSplits: 1)
        headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
      }
      let body = String(text[end.upperBound...])
      if body.utf8.count < Int(headers["content-length"] ?? "0") ?? 0 { continue }
      return Request(method: String(words[0]), path: String(words[1]), headers: headers, body: body)
    }
  }
}
