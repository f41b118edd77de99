import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// What the files of handlers have recorded about events of a tree: effects, dead letters, what waits behind
/// them.
struct StandingEffects {
  let session: TraceSession

  func grow(_ growth: inout ImpactGrowth) throws(Diagnostic) {
    for definition in session.catalog.definitions {
      guard let reader = try session.reader(of: definition) else { continue }
      let maker = "\(definition.kind.rawValue) \(definition.name)"
      let letters = try StoreError.told { () throws(StoreError) in try reader.deadLetters() }
      for letter in letters {
        guard let parent = growth.node(at: letter.position) else { continue }
        var node = ImpactNode(.dead, at: nil, under: parent, letter.code)
        (node.handler, node.id, node.state) = (maker, "d-\(letter.position.value)@\(definition.name)", "dead")
        node.detail = "\(letter.code) \(letter.message)"
        if !letter.file.isEmpty { (node.file, node.line) = (letter.file, letter.line) }
        growth.add(node)
      }
      if definition.kind == .projection { continue }
      try parked(definition, reader, letters, maker, &growth)
      try effects(reader, maker, &growth)
    }
  }

  private func parked(
    _ definition: HandlerDefinition, _ reader: StoreReader, _ letters: [DeadLetter], _ maker: String,
    _ growth: inout ImpactGrowth
  ) throws(Diagnostic) {
    let ledger = try StoreError.told { () throws(StoreError) in try reader.ledger() }
    for key in ledger.parked {
      if key.status != .dead, let parent = growth.node(at: key.position) {
        var node = ImpactNode(.held, at: nil, under: parent, "retrying")
        (node.handler, node.state) = (maker, "retrying")
        node.detail = "it failed \(Counted.text(key.attempts, "time")) and is tried again"
        growth.add(node)
      }
      for held in key.held {
        guard let parent = growth.node(at: held) else { continue }
        var node = ImpactNode(.held, at: nil, under: parent, "held")
        (node.handler, node.state) = (maker, "held")
        node.detail = "it waits behind \(key.position), which failed"
        growth.add(node)
      }
    }
  }

  /// Those whose result is in the log are in the tree already, and learn what they were.
  private func effects(
    _ reader: StoreReader, _ maker: String, _ growth: inout ImpactGrowth
  ) throws(Diagnostic) {
    var known: [String: Int] = [:]
    for (index, node) in growth.nodes.enumerated() where node.kind == .effect { known[node.id] = index }
    for effect in try StoreError.told({ () throws(StoreError) in try reader.effects() }) {
      let name = "\(effect.kind.rawValue) \(effect.target)"
      let tries = effect.attempts == 1 ? "" : Counted.text(effect.attempts, "attempt")
      if let index = known[effect.key] {
        growth[index].name = name
        if growth[index].detail.isEmpty { growth[index].detail = tries }
        continue
      }
      guard let parent = growth.node(at: effect.cause) else { continue }
      var node = ImpactNode(.effect, at: nil, under: parent, name)
      (node.handler, node.id) = (maker, effect.key)
      node.key = String(decoding: effect.orderKey, as: UTF8.self)
      node.state = "\(effect.status)"
      node.detail = [tries, effect.error].filter { !$0.isEmpty }.joined(separator: ", ")
      growth.add(node)
    }
  }
}
