import MoontideCore
import MoontideRuntime

/// The tree while it grows: what was found, and by what it is found again.
struct ImpactGrowth {
  private(set) var nodes: [ImpactNode] = []
  private(set) var isCut = false
  private var byID: [[UInt8]: [Int]] = [:]
  private var byPosition: [Position: Int] = [:]
  /// Which makers are handlers: `saga checkout` by its identity name.
  private let makers: [String: String]
  private let topics: [TopicName]

  init(_ catalog: ProjectCatalog, topics: [TopicDescription]) {
    // Ids are made of the topic of the cause; those of a saga of the one of file events where it is no event.
    self.topics = topics.map(\.name).filter { $0 != .events } + [.events]
    var makers: [String: String] = [:]
    for decider in catalog.deciders { makers[decider.identityName] = "decider \(decider.name)" }
    for one in catalog.definitions where one.kind != .projection {
      makers[one.identityName] = "\(one.kind.rawValue) \(one.name)"
    }
    self.makers = makers
  }

  subscript(_ index: Int) -> ImpactNode {
    get { nodes[index] }
    set { nodes[index] = newValue }
  }

  /// The node of a record of the log.
  func node(at position: Position) -> Int? { byPosition[position] }

  /// Positions of nodes that are events, rising.
  var events: [Position] {
    nodes.compactMap { $0.kind == .event ? $0.position : nil }.sorted()
  }

  @discardableResult
  mutating func add(_ node: ImpactNode, id: [UInt8]? = nil) -> Int? {
    guard nodes.count < Limits.impactNodesMax else {
      isCut = true
      return nil
    }
    var node = node
    if node.handler.isEmpty, !node.source.isEmpty {
      node.handler = maker(node.source)
    }
    nodes.append(node)
    let index = nodes.count - 1
    if let id { byID[id, default: []].append(index) }
    if let position = node.position { byPosition[position] = index }
    return index
  }

  /// Another record of a node: the outcome of a command.
  mutating func note(_ position: Position, of index: Int) { byPosition[position] = index }

  /// `saga checkout`, of an identity name that records have as their source.
  func maker(_ source: [UInt8]) -> String { makers[String(decoding: source, as: UTF8.self)] ?? "" }

  /// What caused something, if it is in the tree.
  /// - Parameter cause: its id.
  func parent(of node: ImpactNode, cause: [UInt8]) -> Int? {
    guard let found = byID[cause] else { return nil }
    var byName: Int?
    for index in found {
      switch isMade(node, of: index, cause) {
      case true?: return index
      case false?: continue
      case nil: byName = index
      }
    }
    return byName
  }

  private func isMade(_ node: ImpactNode, of index: Int, _ cause: [UInt8]) -> Bool? {
    // What follows from an event is named after its topic too.
    let own = nodes[index].kind == .event ? TopicName(nodes[index].topic) : nil
    return RecordCause.isMade(
      Array(node.id.utf8), by: node.source, isResult: node.kind == .effect,
      of: (nodes[index].source, cause), topics: own.map { [$0] } ?? topics)
  }

  /// The command that an outcome answers.
  func command(answeredBy record: Record, in batch: RecordBatch) -> Int? {
    let source = batch.bytes[record.envelope.source.indices]
    return byID[Array(batch.bytes[record.envelope.id.indices])]?.first {
      nodes[$0].kind == .command && source.elementsEqual(nodes[$0].source)
    }
  }
}
