import Foundation
import Glibc

/// The binary at a terminal of its own, typed at by a test. Hung up with the object.
final class PseudoTerminal {
  private let master: Int32
  private let process = Process()
  /// Everything that it wrote.
  private var bytes: [UInt8] = []
  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// - Parameters:
  ///   - environment: variables beside `TERM=xterm` and a pager that is `cat`.
  init(
    _ arguments: [String], environment: [String: String] = [:], rows: UInt16 = 24, columns: UInt16 = 200
  ) throws {
    // What posix_openpt, unlockpt and ptsname do, which are no functions that Swift sees here:
    // https://man7.org/linux/man-pages/man2/ioctl_tty.2.html
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var unlocked: Int32 = 0
    var number: UInt32 = 0
    guard master >= 0, ioctl(master, 0x4004_5431, &unlocked) == 0, ioctl(master, 0x8004_5430, &number) == 0
    else { throw Fault("there is no pseudo-terminal here") }
    let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard slave >= 0 else { throw Fault("the pseudo-terminal does not open") }
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(slave, UInt(TIOCSWINSZ), &size)
    let terminal = FileHandle(fileDescriptor: slave, closeOnDealloc: false)
    // So that Ctrl-C is a signal to it, and to nobody else.
    process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
    process.arguments = ["--ctty", "--wait", Binary.url.path] + arguments
    process.environment = ProcessInfo.processInfo.environment
      .merging(["TERM": "xterm", "PAGER": "cat", "LC_ALL": "C.UTF-8"]) { $1 }.merging(environment) { $1 }
    process.standardInput = terminal
    process.standardOutput = terminal
    process.standardError = terminal
    try process.run()
    // Only who runs there holds it now, so that its end is seen.
    try terminal.close()
  }

  deinit {
    // The terminal hangs up, which ends what runs there.
    close(master)
    process.waitUntilExit()
  }

  /// What was written since `mark` begins here.
  var mark: Int { bytes.count }

  func type(_ keys: String) throws {
    var rest = Array(keys.utf8)[...]
    while !rest.isEmpty {
      let count = write(master, Array(rest), rest.count)
      guard count > 0 else { throw Fault("the terminal takes no more: \(text.suffix(500))") }
      rest = rest.dropFirst(count)
    }
  }

  /// Types a line and waits for something behind its echo, and then for a prompt, so that what is typed next
  /// is typed at it; no prompt is waited for behind an answer that ends with one.
  @discardableResult func enter(_ line: String, expecting answer: String) throws -> String {
    let before = mark
    try type(line + "\r")
    try wait(for: "\r\n", after: before)
    let echoed = before + (place(of: Array("\r\n".utf8), from: before) ?? 0)
    let answered = try wait(for: answer, after: echoed)
    if answer.hasSuffix("> ") { return answered }
    let end = echoed + (place(of: Array(answer.utf8), from: echoed) ?? 0) + answer.utf8.count
    return answered + (try wait(for: "> ", after: end))
  }

  static let interrupt = "\u{3}"
  static let end = "\u{4}"
  static let up = "\u{1b}[A"

  /// Reads until that text was written behind `mark`; returns all behind it. Throws after 30 s.
  @discardableResult func wait(for wanted: String, after mark: Int = 0) throws -> String {
    guard try writes(wanted, after: mark, within: .seconds(30)) else {
      throw Fault("30 s without “\(wanted)” in: \(text.suffix(2_000))")
    }
    return String(decoding: bytes[mark...], as: UTF8.self)
  }

  /// Whether it writes that text behind `mark` in that time.
  func writes(_ wanted: String, after mark: Int, within time: Duration) throws -> Bool {
    let end = ContinuousClock.now + time
    let word = Array(wanted.utf8)
    var looked = mark
    while ContinuousClock.now < end {
      if contains(word, from: looked) { return true }
      looked = max(mark, bytes.count - word.count)
      var asked = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
      guard poll(&asked, 1, 100) > 0 else { continue }
      guard take() else { throw Fault("it ended without “\(wanted)”: \(text.suffix(2_000))") }
    }
    return false
  }

  private func contains(_ word: [UInt8], from start: Int) -> Bool { place(of: word, from: start) != nil }

  /// How far behind `start` it was written.
  private func place(of word: [UInt8], from start: Int) -> Int? {
    guard let first = word.first else { return 0 }
    var at = start
    while at + word.count <= bytes.count {
      if bytes[at] == first, bytes[at..<at + word.count].elementsEqual(word) { return at - start }
      at += 1
    }
    return nil
  }

  /// Reads what is there; false when nobody writes any more.
  private func take() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(master, &buffer, buffer.count)
    if count > 0 { bytes += buffer[..<count] }
    return count > 0
  }

  /// Its exit code, once it has ended; what it still writes is read. Throws after 30 s.
  func status() throws -> Int32 {
    let end = ContinuousClock.now + .seconds(30)
    var isOpen = true
    while isOpen, ContinuousClock.now < end {
      var asked = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
      if poll(&asked, 1, 100) > 0 { isOpen = take() }
    }
    guard !isOpen else { throw Fault("it does not end: \(text.suffix(2_000))") }
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// The most memory that the binary has held, in bytes.
  func peakBytes() throws -> Int {
    let number = process.processIdentifier
    let children = FileManager.default.contents(atPath: "/proc/\(number)/task/\(number)/children") ?? Data()
    let child = String(decoding: children, as: UTF8.self).split(separator: " ").first ?? "\(number)"
    let status = FileManager.default.contents(atPath: "/proc/\(child)/status") ?? Data()
    let words = String(decoding: status, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard let at = words.firstIndex(of: "VmHWM:"), let kilobytes = Int(words[at + 1]) else {
      throw Fault("no memory is told of \(child)")
    }
    return kilobytes << 10
  }
}
