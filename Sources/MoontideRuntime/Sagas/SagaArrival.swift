import MoontideCore

/// A saga's script meets the instances that are open when its worker starts.
extension SagaLane {
  /// Refuses a script that cannot run beside them; finds those that `migrate` is for, and loads the older
  /// scripts by which others end.
  func meetOpenInstances() throws(WorkerStop) {
    var census = SagaCensus(saga)
    var fitting: [[UInt8]] = []
    var unfit: [(key: [UInt8], version: String)] = []
    var after: SagaRow?
    do throws(StoreError) {
      while true {
        let rows = try store.openSagas(except: code.version, after: after, limit: Limits.readRecordsMax)
        guard let last = rows.last else { break }
        for row in rows {
          if census.add(row) { unfit.append((row.key, row.scriptVersion)) } else { fitting.append(row.key) }
        }
        after = last
      }
      for version in census.versions.sorted() where saga.pins {
        let sources = try store.sources(ofVersion: version)
        old[version] = SagaCode.kept(
          sources, version: version, today: catalog, surroundings: surroundings)
      }
    } catch { throw stop(error) }
    if let refusal = census.refusal(kept: { old[$0] != nil }) { throw .halt(refusal) }
    if saga.migrates { self.unfit = unfit.map(\.key).reversed() }
    for (key, version) in unfit { old[version]?.open.insert(key) }
    arrivals = [.stamp(fitting, version: code.version)]
    let bytes = saga.sources.reduce(0) { $0 + $1.text.count }
    if bytes <= Limits.sagaSourcesBytesMax { arrivals.append(.keep(version: code.version, saga.sources)) }
    arrivals.append(.forget(except: [code.version] + census.versions.sorted()))
  }

  /// Writes down what became of it; what the migration of an instance failed on is tried again, since the
  /// script may have been mended.
  func settleArrivals() throws(WorkerStop) {
    do throws(StoreError) {
      var entries = arrivals.map { EffectEntry.sagaChange($0) }
      arrivals = []
      for index in parked.entries.indices {
        var key = parked.entries[index].key
        guard key.topic == .migrations, try store.saga(key.key)?.began == key.position else { continue }
        if key.status == .dead { status.dead -= 1 }
        key.status = .retrying
        key.attempts = 0
        key.dueMicroseconds = surroundings.clock.now.microseconds
        parked.update(index, to: key, due: surroundings.clock.monotonic)
        entries.append(.parked(key))
      }
      try store.commit(entries)
    } catch { throw stop(error) }
    // Those that are parked are brought along when they are tried again; what awaits the record of a firing
    // is tried where that is read.
    let waiting = Set(parked.entries.filter { $0.key.status != .awaiting }.map(\.key.key))
    unfit.removeAll { waiting.contains($0) }
  }

  /// Whether what is parked is an instance's migration, and not what waited behind it.
  func isMigration(_ key: ParkedKey) throws(WorkerStop) -> Bool {
    guard key.topic == .migrations else { return false }
    do throws(StoreError) { return try store.saga(key.key)?.began == key.position } catch {
      throw stop(error)
    }
  }

  /// Older scripts that nothing stands by any more once what is in `instances` is written.
  func retired(by instances: SagaInstances) -> [String] {
    old.values.filter { code in
      let (ended, open) = instances.standing(by: code.version)
      return open.isEmpty && !ended.isEmpty && code.open.isSubset(of: ended)
    }.map(\.version).sorted()
  }

  /// It is written.
  func note(_ instances: SagaInstances, retired: [String]) {
    for version in retired { old[version] = nil }
    for code in old.values {
      let (ended, open) = instances.standing(by: code.version)
      if !ended.isEmpty { code.open.subtract(ended) }
      if !open.isEmpty { code.open.formUnion(open) }
    }
  }
}
