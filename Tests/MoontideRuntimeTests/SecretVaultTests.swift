import MoontideCore
import Testing

@testable import MoontideRuntime

struct SecretVaultTests {
  private let vault = SecretVault(["TOKEN", "LONG", "PORT", "UNSET"]) {
    ["TOKEN": "s3cr/et\"+", "LONG": "s3cr/et\"+and more", "PORT": "80"][$0]
  }

  @Test func `a value is taken out in every form that servers give it back in`() {
    for form in [
      "s3cr/et\"+", #"s3cr/et\"+"#, "s3cr%2Fet%22%2B", "s3cr%2fet%22%2b", "czNjci9ldCIr",
    ] {
      #expect(vault.redacted("a \(form) b") == "a ${TOKEN} b", "\(form)")
    }
    #expect(vault.redacted("x s3cr/et\"+and more y") == "x ${LONG} y", "the longer one first")
    #expect(vault.redacted("port 80") == "port 80", "what is so short is no secret")
    #expect(vault["PORT"] == "80" && vault["UNSET"] == nil)
  }

  @Test func `a value that lies across the end of what is kept is seen whole`() {
    let text = Array("0123456789s3cr/et\"+ and behind it".utf8)
    for limit in 0...text.count {
      let shown = String(decoding: vault.redacted(text, upTo: limit), as: UTF8.self)
      #expect(!shown.contains("s3") && !shown.contains("et\""), "\(limit): \(shown)")
      if limit <= 10 { #expect(shown == String("0123456789".prefix(limit))) }
    }
    #expect(vault.reach >= 18)
  }
}
