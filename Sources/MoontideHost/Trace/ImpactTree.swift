public import MoontideCore
import MoontideJSON

/// The answer of `EventImpact`: what one record of the log caused, as far as it is known.
public struct ImpactTree: Sendable {
  /// The root first; a cause before what it caused.
  public let nodes: [ImpactNode]
  /// More was found than is kept.
  public let isCut: Bool
  private let children: [[Int]]

  init(_ nodes: [ImpactNode], isCut: Bool) {
    precondition(!nodes.isEmpty, "there is always the root")
    self.nodes = nodes
    self.isCut = isCut
    var children = [[Int]](repeating: [], count: nodes.count)
    for (index, node) in nodes.enumerated() { if let parent = node.parent { children[parent].append(index) } }
    // Rows and how things stand come first, then what has a place in the log, in its order.
    self.children = children.map { own in
      own.sorted {
        let (one, other) = (ImpactTree.rank(nodes[$0]), ImpactTree.rank(nodes[$1]))
        return one == other ? $0 < $1 : one < other
      }
    }
  }

  private static func rank(_ node: ImpactNode) -> UInt64 {
    guard let position = node.position else {
      return switch node.kind {
      case .row: 0
      case .dead, .held: 1
      case .saga: 2
      case .timer: 3
      default: 4
      }
    }
    return position.value + 8
  }

  /// One row a node: `node` numbers them from 1, `parent` is the number of the cause, and a cause comes
  /// before what it caused. `old` and `new` are JSON objects of the columns that changed.
  public func rows(to sink: any RowSink) throws(Diagnostic) {
    try sink.columns([
      "node", "parent", "depth", "kind", "position", "time", "name", "key", "id", "handler", "state",
      "detail", "file", "line", "old", "new",
    ])
    var number = 0
    var numbers = [Int](repeating: 0, count: nodes.count)
    let row = RowBuffer()
    try walk { index, depth throws(Diagnostic) in
      number += 1
      numbers[index] = number
      let node = nodes[index]
      row.removeAll()
      row.cells.append(.integer(Int64(number)))
      row.cells.append(node.parent.map { .integer(Int64(numbers[$0])) } ?? .null)
      row.cells.append(.integer(Int64(depth)))
      row.append(text: node.kind.rawValue)
      row.cells.append(node.position.map { .integer(Int64(clamping: $0.value)) } ?? .null)
      for text in [node.time, node.name, node.key, node.id, node.handler, node.state, node.detail] {
        if text.isEmpty { row.cells.append(.null) } else { row.append(text: text) }
      }
      if let file = node.file {
        row.append(text: file)
        row.cells.append(.integer(Int64(node.line)))
      } else {
        row.cells += [.null, .null]
      }
      ImpactTree.append(node.changes.map { ($0.column, $0.old) }, to: row)
      ImpactTree.append(node.changes.map { ($0.column, $0.new) }, to: row)
      try sink.row(row)
    }
  }

  private static func append(_ values: [(column: String, value: RowValue?)], to row: RowBuffer) {
    let known = values.compactMap { one in one.value.map { JSONValue.Member(one.column, $0.json) } }
    if known.isEmpty { return row.cells.append(.null) }
    row.append(text: JSONValue.object(known).compact)
  }

  /// Every node behind its cause, the first consequences first.
  private func walk(_ body: (Int, Int) throws(Diagnostic) -> Void) throws(Diagnostic) {
    var open: [(index: Int, depth: Int)] = [(0, 0)]
    while let (index, depth) = open.popLast() {
      try body(index, depth)
      for child in children[index].reversed() { open.append((child, depth + 1)) }
    }
  }

  /// For people: a tree of lines.
  /// - Parameters:
  ///   - depth: how many steps from the root are drawn.
  ///   - width: how many consequences of one thing; the others are counted.
  public func text(
    depth: Int = Limits.impactDepthShown, width: Int = Limits.impactWidthShown
  ) -> String {
    var lines: [String] = [nodes[0].text + (nodes[0].time.isEmpty ? "" : ", \(nodes[0].time)")]
    draw(0, "", depth, width, &lines)
    if nodes.count == 1 { lines.append("it caused nothing that is known") }
    if isCut { lines.append("… there is more than \(Limits.impactNodesMax) consequences") }
    return lines.joined(separator: "\n") + "\n"
  }

  private func draw(
    _ index: Int, _ indent: String, _ depth: Int, _ width: Int, _ lines: inout [String]
  ) {
    let own = children[index]
    guard !own.isEmpty else { return }
    guard depth > 0 else {
      lines.append("\(indent)└─ … \(count(below: index)) more below (--depth)")
      return
    }
    // A line that says that there is one more is no shorter than the one.
    let shown = own.count <= width + 1 ? own.count : width
    for (place, child) in own.prefix(shown).enumerated() {
      let isLast = place == own.count - 1
      lines.append(indent + (isLast ? "└─ " : "├─ ") + nodes[child].text)
      draw(child, indent + (isLast ? "   " : "│  "), depth - 1, width, &lines)
    }
    if shown < own.count { lines.append("\(indent)└─ … \(own.count - shown) more (--width)") }
  }

  private func count(below index: Int) -> Int {
    var (open, count) = (children[index], 0)
    while let next = open.popLast() {
      count += 1
      open += children[next]
    }
    return count
  }
}
