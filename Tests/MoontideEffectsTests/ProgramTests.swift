import Foundation
import Glibc
import MoontideCore
import MoontideRuntime
import Testing

@testable import MoontideEffects

@Suite(.serialized) struct ProgramTests {
  @Test func `a program gets its arguments as they are, its data, its key and no more of the environment`()
    throws
  {
    let rig = try PerformerRig(
      programs: ["show": "show.sh"], environment: ["TOKEN": "secret-value"],
      variables: ["PATH=/usr/bin:/bin"])
    try rig.script("show.sh", #"for a in "$@"; do echo "[$a]"; done; cat; env | sort; pwd"#)
    let outcome = try rig.perform(
      .exec,
      #"{"program":"show","args":["a b","$(id)","; ls"],"stdin":"in\n","env":{"MINE":"1","T":"<TOKEN>"}}"#)
    #expect(outcome.verdict == .done, "\(outcome)")
    let text = outcome.text
    #expect(text.hasPrefix(#""status":0,"stdout":"[a b]\n[$(id)]\n[; ls]\nin\n"#), "\(text)")
    #expect(text.contains(#"MINE=1\n"#) && text.contains(#"MOONTIDE_IDEMPOTENCY_KEY=c-1\n"#))
    #expect(text.contains("T=${TOKEN}") && !text.contains("secret-value"))
    #expect(!text.contains("HOME=") && text.contains(String(rig.root.split(separator: "/").last ?? "?")))
  }

  @Test func `an exit code, a signal and a program that is not there fail their try`() throws {
    let rig = try PerformerRig(programs: ["bad": "bad.sh", "dies": "dies.sh", "none": "/none/at/all"])
    try rig.script("bad.sh", "echo why >&2; exit $1")
    try rig.script("dies.sh", "kill -TERM $$")
    let bad = try rig.perform(.exec, #"{"program":"bad","args":["3"]}"#)
    #expect(bad.verdict == .failed(blamesTarget: false, retryAfter: nil))
    #expect(bad.error == "the program ended with 3: why" && bad.text == #""status":3,"stderr":"why\n""#)
    #expect(
      try rig.perform(.exec, #"{"program":"bad","args":[75]}"#).verdict
        == .failed(blamesTarget: true, retryAfter: nil))
    #expect(try rig.perform(.exec, #"{"program":"dies"}"#).error == "the program was killed by signal 15")
    #expect(
      try rig.perform(.exec, #"{"program":"none"}"#).error
        == "the program cannot be started: No such file or directory")
  }

  @Test func `a program that is late is killed with all that it started`() throws {
    let rig = try PerformerRig(programs: ["late": "late.sh"], variables: ["PATH=/usr/bin:/bin"])
    try rig.script("late.sh", "sleep 1000 & echo $! $$ > pids; sleep 1000")
    let outcome = try rig.perform(.exec, #"{"program":"late","timeout":"500ms"}"#)
    #expect(outcome.error == "the program did not end within 500ms")
    for pid in try rig.text(of: "pids").split(whereSeparator: \.isWhitespace).compactMap({ pid_t($0) }) {
      // Its parent is gone; who reaps it may take a moment.
      var isRunning = true
      for _ in 0..<500 where isRunning {
        let state = FileManager.default.contents(atPath: "/proc/\(pid)/stat")
          .map { String(decoding: $0, as: UTF8.self) }
        isRunning = state.map { !$0.contains(") Z ") } ?? false
        if isRunning { rig.performer.wait(for: .milliseconds(10)) }
      }
      #expect(!isRunning, "process \(pid) goes on")
    }
  }

  @Test func `what a program leaves running ends with it and keeps no output open`() throws {
    let rig = try PerformerRig(programs: ["leaves": "leaves.sh"], variables: ["PATH=/usr/bin:/bin"])
    try rig.script("leaves.sh", "sleep 1000 & echo done")
    let outcome = try rig.perform(.exec, #"{"program":"leaves","timeout":"20s"}"#)
    #expect(outcome.verdict == .done && outcome.text == #""status":0,"stdout":"done\n""#)
  }

  @Test func `a program that does not read its data, and one that writes without an end, do no harm`() throws
  {
    let rig = try PerformerRig(
      programs: ["deaf": "deaf.sh", "loud": "loud.sh"], variables: ["PATH=/usr/bin:/bin"])
    try rig.script("deaf.sh", "exec <&-; echo ok")
    try rig.script("loud.sh", "exec yes")
    let data = String(repeating: "x", count: 500_000)
    #expect(try rig.perform(.exec, #"{"program":"deaf","stdin":"\#(data)"}"#).verdict == .done)
    let loud = try rig.perform(.exec, #"{"program":"loud"}"#)
    #expect(loud.verdict == .refused && loud.error.hasPrefix("the program wrote more than"))
  }

  @Test func `what a program leaves running in a session of its own keeps nobody waiting`() throws {
    let rig = try PerformerRig(programs: ["daemon": "daemon.sh"], variables: ["PATH=/usr/bin:/bin"])
    try rig.script(
      "daemon.sh", "setsid sh -c 'echo $$ > pid; exec sleep 1000' & while [ ! -s pid ]; do :; done")
    let began = ContinuousClock.now
    let outcome = try rig.perform(.exec, #"{"program":"daemon","timeout":"60s"}"#)
    #expect(outcome.verdict == .done, "\(outcome)")
    #expect(ContinuousClock.now - began < .seconds(30))
    let pid = try #require(pid_t(rig.text(of: "pid").trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(kill(pid, SIGKILL) == 0, "it went out of the group to live on")
  }

  @Test func `a program that stops itself, or hears no signal, ends with its time`() throws {
    let rig = try PerformerRig(
      programs: ["stops": "stops.sh", "deaf": "deaf.sh"], variables: ["PATH=/usr/bin:/bin"])
    try rig.script("stops.sh", "kill -STOP $$; echo never")
    try rig.script("deaf.sh", "trap '' TERM INT HUP; while :; do sleep 1; done")
    for program in ["stops", "deaf"] {
      let outcome = try rig.perform(.exec, #"{"program":"\#(program)","timeout":"300ms"}"#)
      #expect(outcome.error == "the program did not end within 300ms")
    }
  }

  @Test func `arguments are what they are, whatever they look like`() throws {
    let rig = try PerformerRig(programs: ["show": "show.sh"], variables: ["PATH=/usr/bin:/bin"])
    try rig.script("show.sh", #"for a in "$@"; do echo "[$a]"; done"#)
    let outcome = try rig.perform(
      .exec, #"{"program":"show","args":["-rf","--","","`id`","a\nb","ü"]}"#)
    #expect(
      outcome.text == #""status":0,"stdout":"[-rf]\n[--]\n[]\n[`id`]\n[a\nb]\n[ü]\n""#, "\(outcome.text)")
    // More than the system takes is no fault that passes.
    let long = String(repeating: "x", count: 200_000)
    let refused = try rig.perform(.exec, #"{"program":"show","args":["\#(long)"]}"#)
    #expect(
      refused.verdict == .refused && refused.error == "the program cannot be started: Argument list too long")
  }

  @Test func `lines go to the ends of their files in order, each its own`() throws {
    let rig = try PerformerRig()
    try Data("cut".utf8).write(to: URL(fileURLWithPath: rig.root + "/b.log"))
    for index in 0..<10 {
      rig.begin("c-\(index)", .log, #"{"file":"logs/deep/a.log","json":{"n":\#(index)}}"#)
    }
    rig.begin("d", .log, #"{"file":"b.log","text":"whole"}"#)
    #expect(try rig.outcome("c-9").verdict == .done && rig.outcome("d").verdict == .done)
    let lines = try rig.text(of: "logs/deep/a.log")
    #expect(lines == (0..<10).map { "{\"n\":\($0)}\n" }.joined())
    #expect(try rig.text(of: "b.log") == "cut\nwhole\n")
  }

  @Test func `no link leads a line out of the project`() throws {
    let rig = try PerformerRig()
    let outside = try PerformerRig()
    symlink(outside.root, rig.root + "/out")
    symlink(outside.root + "/x.log", rig.root + "/x.log")
    for file in ["out/x.log", "x.log"] {
      let outcome = try rig.perform(.log, #"{"file":"\#(file)","text":"a"}"#)
      #expect(outcome.verdict == .failed(blamesTarget: true, retryAfter: nil), "\(file): \(outcome)")
      #expect(outcome.error.hasPrefix("\(file) cannot be written: "))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: outside.root).isEmpty)
  }
}
