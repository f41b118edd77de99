import Foundation
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

  @Test(arguments: [
    // Mixtures, as the libraries of servers write them.
    "s3cr/et%22+", #"s3cr\/et\u0022+"#, "s3cr&#x2F;et&quot;&#43;", "s3cr%252Fet%2522%252B", "S3CR/ET\"+",
    #"s3cr/et\\\"+"#, "s3cr/et&amp;quot;+", #"s3cr\\/et\\\u0022\u002B"#,
  ])
  func `a value is taken out however it is escaped`(form: String) {
    #expect(vault.redacted("a \(form) b") == "a ${TOKEN} b")
  }

  @Test func `a value is taken out of base64 wherever it stands in it`() {
    let vault = SecretVault(["KEY"]) { _ in "k3y?>~secret>>>" }
    for before in ["", "u", "us", "user:"] {
      for behind in ["", ":", "::", " and more"] {
        let text = Data((before + "k3y?>~secret>>>" + behind).utf8).base64EncodedString()
        for form in [
          text, text.replacing("+", with: "-").replacing("/", with: "_"), text.replacing("=", with: ""),
          text.replacing("+", with: "%2B").replacing("/", with: #"\/"#),
        ] {
          let shown = vault.redacted("Basic \(form)|")
          #expect(shown.contains("${KEY}") && shown.count <= 28 + before.count + behind.count * 2, "\(shown)")
        }
      }
    }
  }

  @Test func `what is a secret in a URL is one beside it, and what is none is not`() {
    let vault = SecretVault(["URL"]) { _ in
      "https://bob:p%40ss@h.example/services/T0AAA/X9f8e7d6c5b4a3/in?sig=a1b2c3d4e5f6&v=2"
    }
    for form in ["p@ss", "p%40ss", "X9f8e7d6c5b4a3", "a1b2c3d4e5f6", "Ym9iOnBAc3M="] {
      let shown = vault.redacted("Cannot POST /services/\(form)/in")
      #expect(!shown.contains(form) && shown.contains("${URL}"), "\(shown)")
    }
    let plain = "https://h.example/services/in?v=2 bob"
    #expect(vault.redacted(plain) == plain)
  }

  @Test func `characters beyond ASCII are found in every form`() {
    let vault = SecretVault(["PASS"]) { _ in "pässwörd😀\n\\1" }
    for form in [
      "pässwörd😀\n\\1", #"p\u00e4ssw\u00F6rd\ud83d\ude00\n\\1"#, "p%C3%A4ssw%c3%b6rd%F0%9F%98%80%0A%5C1",
      "p&#228;ssw&#xf6;rd&#128512;&#10;&#92;1", #"p\\u00e4ssw\\u00f6rd\\ud83d\\ude00\\n\\\\1"#,
    ] {
      #expect(vault.redacted("<\(form)>") == "<${PASS}>", "\(form)")
    }
  }

  @Test func `the beginning of a value is taken out where a text was cut, and left where it was not`() {
    #expect(vault.redacted("Could not resolve s3cr/", isCut: true) == "Could not resolve ${LONG}")
    #expect(vault.redacted("Could not resolve s3c", isCut: true) == "Could not resolve s3c")
    #expect(vault.redacted("Could not resolve s3cr/") == "Could not resolve s3cr/")
  }

  @Test func `texts without an end and of all bytes do no harm`() {
    var random = SystemRandomNumberGenerator()
    let letters = Array(#"\\%%&&+u0022s3cr/et"x;#amp25"#.utf8)
    for _ in 0..<200 {
      let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
        Bool.random(using: &random)
          ? letters.randomElement(using: &random)! : UInt8.random(in: 0...255, using: &random)
      }
      let shown = vault.redacted(bytes)
      #expect(shown.count <= bytes.count * 2 + 8, "\(bytes)")
    }
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
