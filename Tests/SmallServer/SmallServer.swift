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
    /// Which connection it came on, in the order in which they were made: requests that are long on their
    /// way may be read later than ones that were sent after them.
    package var connection: Int
  }

  /// What is done on a connection once a request was read.
  package struct Answer: Sendable {
    enum Step: Sendable {
      case send([UInt8])
      /// Milliseconds.
      case pause(UInt32)
      /// Until the other side ends the connection.
      case hang
      /// End the connection as one does that has died.
      case reset
      /// The next request of this connection.
      case goOn
    }

    var steps: [Step]

    private init(_ steps: [Step]) { self.steps = steps }

    /// A whole answer, after which the connection ends.
    package init(_ status: Int, headers: [String] = [], body: String = "") {
      self.init([.send(Self.bytes(status, ["Connection: close"] + headers, body))])
    }

    private static func bytes(_ status: Int, _ headers: [String], _ body: String) -> [UInt8] {
      let lines = ["HTTP/1.1 \(status) Text", "Content-Length: \(body.utf8.count)"] + headers
      return Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }

    package static let hanging = Answer([.hang])
    /// The end of the connection after the request, without an answer.
    package static let dropping = Answer([])
    package static let resetting = Answer([.reset])

    /// Written as it is.
    package static func raw(_ text: String) -> Answer { Answer([.send(Array(text.utf8))]) }

    /// The same, so late.
    package func late(milliseconds: UInt32) -> Answer { Answer([.pause(milliseconds)] + steps) }

    /// A whole answer twice, the second one when the first has been read, on a connection that stays.
    package static func twice(_ status: Int, body: String = "") -> Answer {
      let bytes = Self.bytes(status, [], body)
      return Answer([.send(bytes), .pause(20), .send(bytes), .goOn])
    }

    /// An answer on a connection that stays.
    package static func staying(_ status: Int, body: String = "") -> Answer {
      Answer([.send(Self.bytes(status, [], body)), .goOn])
    }

    /// The same text again and again, with pauses, until the other side ends the connection.
    package static func endless(_ start: String, _ text: String, times: Int, milliseconds: UInt32) -> Answer {
      let part = Step.send(Array(text.utf8))
      return Answer(
        [.send(Array(start.utf8))] + (0..<times).flatMap { _ in [part, .pause(milliseconds)] } + [.hang])
    }
  }

  package let port: UInt16
  private let listener: Int32
  private let seen = Mutex<[Request]>([])
  private let isOpen = Mutex(true)
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

  /// Ends the thread; the port answers no more. May be called again.
  package func stop() {
    isOpen.withLock { isOpen in
      // The thread closes it: by then nobody else may have its number.
      if isOpen { shutdown(listener, Int32(SHUT_RDWR)) }
    }
  }

  package var url: String { "http://127.0.0.1:\(port)" }
  package var requests: [Request] { seen.withLock { $0 } }

  private func accept() {
    var number = 0
    while true {
      let connection = Glibc.accept(listener, nil, nil)
      if connection < 0 {
        isOpen.withLock { isOpen in
          isOpen = false
          close(listener)
        }
        return
      }
      number += 1
      let job = Unmanaged.passRetained(Job(server: self, connection: connection, number: number))
      var thread = pthread_t()
      if pthread_create(
        &thread, nil,
        { context in
          let job = Unmanaged<Job>.fromOpaque(context!).takeRetainedValue()
          job.server.serve(job.connection, number: job.number)
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
    let number: Int
    init(server: SmallServer, connection: Int32, number: Int) {
      self.server = server
      self.connection = connection
      self.number = number
    }
  }

  private func serve(_ connection: Int32, number: Int) {
    defer { close(connection) }
    while let request = read(connection, number: number) {
      let times = seen.withLock { seen in
        seen.append(request)
        return seen.count { $0.headers["idempotency-key"] == request.headers["idempotency-key"] }
      }
      guard perform(answer(request, times), connection) else { return }
    }
  }

  /// Whether the connection stays.
  private func perform(_ answer: Answer, _ connection: Int32) -> Bool {
    for step in answer.steps {
      switch step {
      case .send(let bytes):
        var at = 0
        while at < bytes.count {
          let count = bytes[at...].withUnsafeBytes {
            send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
          }
          if count <= 0 { return false }
          at += count
        }
      case .pause(let milliseconds): usleep(milliseconds * 1_000)
      case .hang:
        var byte: UInt8 = 0
        while recv(connection, &byte, 1, 0) > 0 {}
      case .reset:
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        return false
      case .goOn: return true
      }
    }
    return false
  }

  private func read(_ connection: Int32, number: Int) -> Request? {
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
      return Request(
        method: String(words[0]), path: String(words[1]), headers: headers, body: body, connection: number)
    }
  }
}
