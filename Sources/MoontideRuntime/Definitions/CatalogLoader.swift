import MoontideCore
import MoontideLua

/// Loads the files of a catalog one after another and gathers what they define.
struct CatalogLoader {
  let scripts: ScriptLibrary
  let defaults: HandlerDefaults
  private(set) var definitions: [HandlerDefinition] = []
  private(set) var deciders: [DeciderDefinition] = []
  private(set) var sagas: [String: SagaDefinition] = [:]
  private(set) var upcasters: [String: UpcasterDefinition] = [:]
  private(set) var diagnostics: [Diagnostic] = []
  /// Where each kind and name was first defined.
  private var places: [String: SourcePlace] = [:]
  private var contents: [String: Digest] = [:]
  /// The modules that each file may require, by its path.
  private(set) var modules: [String: [String]] = [:]
  /// The modules that the file being read requires.
  private var required: Set<String> = []
  /// Of the file being read, once it has an upcaster.
  private var scan: ReshapeScan?

  init(scripts: ScriptLibrary, defaults: HandlerDefaults) {
    self.scripts = scripts
    self.defaults = defaults
  }

  mutating func load(_ script: ScriptSource, check: SchemaCheck) {
    guard script.text.count <= Limits.scriptBytesMax else {
      diagnostics.append(
        Diagnostic(
          code: RuntimeCode.scriptTooLarge.rawValue,
          "a script has at most \(Limits.scriptBytesMax) bytes; this one has \(script.text.count)",
          at: SourcePlace(file: script.path, line: 1)
        ).adding("help", "split it into modules below lib/"))
      return
    }
    do throws(LuaFault) {
      let state = try LuaState(budget: defaults.budget, modules: scripts.modules)
      let found = try state.load(script)
      contents[script.path] = scripts.version(of: script.path, loaded: state.requiredModules)
      required = state.requiredModules
      modules[script.path] = scripts.modules(requiredBy: script.path, loaded: required)
      scan = nil
      for definition in found { read(definition, check: check) }
    } catch {
      diagnostics.append(FaultReport.loading(error, path: script.path, scripts: scripts))
    }
  }

  private mutating func read(_ definition: LuaDefinition, check: SchemaCheck) {
    let reader = DefinitionReader(definition, script: scripts.tokens(definition.path))
    let identity = "\(definition.kind) \(definition.name)"
    if let first = places[identity] {
      diagnostics.append(
        Diagnostic(
          code: RuntimeCode.duplicate.rawValue,
          "\(reader.title) is defined twice: \(first.file):\(first.line) and "
            + "\(reader.place.file):\(reader.place.line)",
          at: reader.place
        ).adding("help", "rename one of them, or remove it"))
    }
    let isFirst = places[identity] == nil
    if isFirst { places[identity] = reader.place }
    refuseSharedFile(definition, reader)
    switch HandlerKind(rawValue: definition.kind) {
    case .projection:
      var handler = HandlerReader(reader, defaults: defaults)
      if let projection = handler.projection(check: check), isFirst { definitions.append(projection) }
      diagnostics += handler.reader.diagnostics
    case .consumer:
      var handler = HandlerReader(reader, defaults: defaults)
      if let consumer = handler.consumer(), isFirst { definitions.append(consumer) }
      diagnostics += handler.reader.diagnostics
    case .upcaster:
      scan = scan ?? ReshapeScan(definition.path, scripts: scripts, required: required)
      var upcaster = UpcasterReader(reader, scan: scan)
      if let found = upcaster.upcaster(), isFirst { upcasters[found.type] = found }
      diagnostics += upcaster.reader.diagnostics
    case .decider:
      var decider = DeciderReader(reader)
      if let found = decider.decider(), isFirst { add(found, &decider) }
      diagnostics += decider.reader.diagnostics
    case .saga:
      var saga = SagaReader(reader, defaults: defaults)
      if let found = saga.saga(), isFirst {
        definitions.append(found.handler)
        sagas[found.name] = found
      }
      diagnostics += saga.reader.diagnostics
    case nil:
      var reader = reader
      reader.report(.unknownKind, "\(reader.title): there is no such kind of handler", at: reader.place)
      diagnostics += reader.diagnostics
    }
  }

  /// Consumers and sagas keep what they know in a file of their name.
  private mutating func refuseSharedFile(_ definition: LuaDefinition, _ reader: DefinitionReader) {
    let others = ["consumer": "saga", "saga": "consumer"]
    guard let kind = others[definition.kind], let other = places["\(kind) \(definition.name)"] else { return }
    diagnostics.append(
      Diagnostic(
        code: RuntimeCode.duplicate.rawValue,
        "\(reader.title) has the name of a \(kind), \(other.file):\(other.line), whose file it would share",
        at: reader.place
      ).adding("help", "rename one of them"))
  }

  /// A command has one decider, so that it has one answer.
  private mutating func add(_ decider: DeciderDefinition, _ reader: inout DeciderReader) {
    for command in decider.commands {
      guard let other = deciders.first(where: { $0.commands.contains(command) }) else { continue }
      reader.refuse(command, takenBy: other)
    }
    deciders.append(decider)
  }

  /// Gives every handler its version, once all upcasters are known, and puts the diagnostics in order.
  mutating func finish() {
    for (type, upcaster) in upcasters {
      upcasters[type]?.version = contents[upcaster.path] ?? .zero
    }
    let types = upcasters.keys.sorted()
    for index in definitions.indices {
      definitions[index].follow(upcasters)
      var version = (contents[definitions[index].path] ?? .zero)
        .adding(definitions[index].kind.rawValue).adding(definitions[index].name)
      for type in types where definitions[index].interest.needsUpcaster(of: type) {
        guard let content = upcasters[type]?.version else { continue }
        version = version.adding(type).adding(content.high).adding(content.low)
      }
      definitions[index].version = version
      guard definitions[index].kind == .saga else { continue }
      let kept = sources(of: definitions[index], types)
      sagas[definitions[index].name]?.handler = definitions[index]
      sagas[definitions[index].name]?.sources = kept
    }
    for index in deciders.indices {
      var version = (contents[deciders[index].path] ?? .zero).adding("decider").adding(deciders[index].name)
      for type in types where deciders[index].interest(in: upcasters).needsUpcaster(of: type) {
        guard let content = upcasters[type]?.version else { continue }
        version = version.adding(type).adding(content.high).adding(content.low)
      }
      deciders[index].version = version
    }
    diagnostics += UpcasterChecks(upcasters, handlers: definitions).diagnostics
    diagnostics += OriginChecks(definitions, deciders).diagnostics
    tellAndSort()
  }

  /// The file of a handler, those of the upcasters that it needs, and all modules that these may require: a
  /// catalog of these alone has the handler in the same version.
  private func sources(of definition: HandlerDefinition, _ types: [String]) -> [SagaSource] {
    let needed = types.filter { definition.interest.needsUpcaster(of: $0) }
    let paths = Set([definition.path] + needed.compactMap { upcasters[$0]?.path }).sorted()
    let names = Set(paths.flatMap { modules[$0] ?? [] }).sorted()
    return paths.compactMap { scripts.handler($0) }.map { SagaSource(path: $0.path, text: $0.text) }
      + names.compactMap { name in
        scripts.modules[name].map { SagaSource(module: name, path: $0.path, text: $0.text) }
      }
  }

  private mutating func tellAndSort() {
    for script in scripts.handlers {
      guard let tokens = scripts.tokens(script.path) else { continue }
      diagnostics += LocalAssignments(tokens).warnings
    }
    diagnostics.sort { a, b in
      (a.place?.file ?? "", a.place?.line ?? 0, a.title) < (b.place?.file ?? "", b.place?.line ?? 0, b.title)
    }
  }
}
