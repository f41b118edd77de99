import MoontideCore
import MoontideHost
import Testing

/// The data of one event, as `append -d` takes it.
@Suite struct GivenJSONTests {
  @Test(arguments: [
    ("{", "at byte 2"), ("{\"a\":1,}", "at byte 8"), ("{},\"key\":{}", "at byte 3"),
    ("{\"a\":\"\u{1}\"}", "at byte 7"),
  ])
  func `what is wrong is counted in the data, not in the line that it will stand in`(
    data: String, place: String
  ) {
    #expect {
      try GivenJSON.checked(Array(data.utf8))
    } throws: { error in
      guard let told = error as? Diagnostic else { return false }
      return told.code == "E0201" && told.title.contains(place) && told.title.hasPrefix("data must be JSON")
    }
  }

  @Test func `sound data goes through byte for byte`() throws {
    let data = Array(" {\"a\" : [1.0, \"é\"]} ".utf8)
    #expect(try GivenJSON.checked(data) == data)
  }
}
