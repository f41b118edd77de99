import CEffects
public import MoontideCore
public import MoontideRuntime
import Synchronization

/// Performs effects for real: HTTP by libcurl, programs, lines of files; all of them on the one thread that
/// steps it. The values of secrets are here alone, and in nothing that it gives back.
///
/// `@unchecked Sendable`: what C holds is touched by the thread that steps it, but for waking it, which
/// libcurl allows to any; the mailbox is behind a lock.
public final class SystemPerformer: EffectPerformer, Worker, @unchecked Sendable {
  /// What effects live in.
  public struct Setting: Sendable {
    /// The project: programs run there, files are below it.
    public var root: String
    public var rules: EffectRules
    public var vault: SecretVault
    /// Variables that every program gets, as `NAME=value`.
    public var variables: [String]

    public init(root: String, rules: EffectRules, vault: SecretVault, variables: [String] = []) {
      self.root = root
      self.rules = rules
      self.vault = vault
      self.variables = variables
    }
  }

  private struct Asked: Sendable {
    var job: EffectJob
    var ended: @Sendable (EffectOutcome) -> Void
  }

  private struct Mail: Sendable {
    var asked: [Asked] = []
    /// Those that were begun and did not end, the asked ones included.
    var count = 0
  }

  private let setting: Setting
  private let effects: OpaquePointer
  private let mail = Mutex(Mail())
  private var running: [UInt64: Running] = [:]
  private var nextTicket: UInt64 = 0
  private var isOwned = false

  private struct Running {
    var asked: Asked
    var timeout: Duration
  }

  private static let isPrepared = mt_effects_prepare() != 0

  /// Throws when libcurl, or the system, cannot.
  public init(_ setting: Setting) throws(EffectRefusal) {
    let limits = mt_effect_limits(
      response_bytes: Limits.effectResponseBytesMax + setting.vault.reach,
      read_bytes: Limits.effectReadBytesMax,
      header_bytes: Limits.effectHeaderBytesMax + setting.vault.reach)
    guard Self.isPrepared, let effects = mt_effects_new(limits) else {
      throw EffectRefusal("effects cannot be performed: libcurl does not start")
    }
    self.setting = setting
    self.effects = effects
  }

  deinit { mt_effects_free(effects) }

  public func begin(_ job: EffectJob, ended: @escaping @Sendable (EffectOutcome) -> Void) -> Bool {
    let isTaken = mail.withLock { mail in
      guard mail.count < Limits.effectsAtOnceMax else { return false }
      mail.count += 1
      mail.asked.append(Asked(job: job, ended: ended))
      return true
    }
    if isTaken { wake() }
    return isTaken
  }

  /// Ends a wait; from any thread.
  public func wake() { mt_effects_wake(effects) }

  public func step() -> StepOutcome {
    goOn(for: .zero) ? .progressed : .idle(for: Limits.idlePause)
  }

  /// Goes on with what is being performed, at most so long, until something happens.
  public func wait(for duration: Duration) { _ = goOn(for: duration) }

  /// Leaves everything: its outcome is `left`. On the thread that stepped it, which then ends.
  public func leave() {
    mt_effects_leave(effects)
    for ticket in running.keys.sorted() { end(ticket, EffectOutcome(.left)) }
    let asked = mail.withLock { mail in
      defer { mail = Mail() }
      return mail.asked
    }
    for one in asked { one.ended(EffectOutcome(.left)) }
  }

  /// Whether something began or ended.
  private func goOn(for duration: Duration) -> Bool {
    if !isOwned { mt_effects_own_thread() }
    isOwned = true
    let asked = mail.withLock { mail in
      defer { mail.asked.removeAll() }
      return mail.asked
    }
    var lines = LogLines(root: setting.root)
    for one in asked { begin(one, &lines) }
    for (ticket, outcome) in lines.write(setting.vault) { end(ticket, outcome) }
    mt_effects_wait(effects, asked.isEmpty ? Int32(clamping: Int64(duration / .milliseconds(1))) : 0)
    var hasEnded = false
    var ended = mt_effect_end()
    while mt_effects_next(effects, &ended) != 0 {
      hasEnded = true
      guard let one = running[ended.ticket] else { continue }
      let kind = one.asked.job.kind
      let answer = EffectAnswer(ended, of: kind, vault: setting.vault, timeout: one.timeout)
      end(ended.ticket, kind == .http ? answer.http : answer.exec)
    }
    return hasEnded || !asked.isEmpty
  }

  private func begin(_ asked: Asked, _ lines: inout LogLines) {
    let ticket = nextTicket
    nextTicket += 1
    running[ticket] = Running(asked: asked, timeout: .zero)
    let job = asked.job
    do throws(EffectRefusal) {
      let bytes = try job.request.resolved { setting.vault[$0] }
      switch try EffectRequest(job.kind, bytes, rules: setting.rules) {
      case .http(let request):
        running[ticket]?.timeout = request.timeout
        try NativeCall.http(request, key: job.key, ticket, effects)
      case .exec(let request):
        running[ticket]?.timeout = request.timeout
        try NativeCall.exec(request, key: job.key, ticket, effects, setting)
      case .log(let request): lines.add(ticket, request)
      }
    } catch {
      end(ticket, EffectOutcome(.refused, error: setting.vault.redacted(error.text)))
    }
  }

  private func end(_ ticket: UInt64, _ outcome: EffectOutcome) {
    guard let one = running.removeValue(forKey: ticket) else { return }
    mail.withLock { $0.count -= 1 }
    one.asked.ended(outcome)
  }
}
