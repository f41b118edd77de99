import Foundation
import Testing

/// A script's version is its content.
@Suite(.serialized) struct RebuildTests {
  private static func handler(_ status: String, comment: String = "") -> String {
    """
    \(comment)
    projection "orders" {
      schema = [[ create table orders(id text primary key, status text); ]],
      on = { OrderPlaced = function(event, db) db.orders:put { id = event.key, status = "\(status)" } end },
    }
    """
  }

  private static let event = #"{"id":"e-1","type":"OrderPlaced","key":"o-1","data":{}}"# + "\n"

  @Test func `an edit of a script rebuilds its read model, an edit of a comment does not`() throws {
    let project = try TestProject()
    try project.write(Self.event, to: "events/orders.jsonl")
    try project.write(Self.handler("placed"), to: "handlers/orders.lua")
    try project.runOnce()
    let file = project.folder.appending(path: "data/readmodels/orders.sqlite").path
    let first = try inode(file)

    try project.write(Self.handler("placed", comment: "-- what we sell"), to: "handlers/orders.lua")
    try project.runOnce()
    #expect(try inode(file) == first, "a comment must not rebuild")
    #expect(try project.query("select status from orders") == [[JSONCell("placed")]])

    try project.write(Self.handler("open"), to: "handlers/orders.lua")
    try project.runOnce()
    #expect(try inode(file) != first, "another script must rebuild")
    #expect(try project.query("select status from orders") == [[JSONCell("open")]])
  }

  private func inode(_ path: String) throws -> UInt64 {
    let value = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? UInt64
    return try #require(value)
  }
}
