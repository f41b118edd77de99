-- What is in store of one article, and who has reserved how much of it.
decider "inventory" {
  topic = "inventory",
  key = "sku",
  initial = function() return { free = 0, reserved = {} } end,

  decide = {
    AddStock = function(command)
      return events.StockAdded { sku = command.data.sku, quantity = command.data.quantity }
    end,
    ReserveInventory = function(command, state)
      local asked = command.data
      if state.reserved[asked.order_id] then return {} end
      if asked.quantity > state.free then
        return reject("OUT_OF_STOCK", "there are " .. state.free .. " of " .. asked.sku)
      end
      return events.InventoryReserved { sku = asked.sku, order_id = asked.order_id, quantity = asked.quantity }
    end,
    -- Also asked for where nothing was reserved: then nothing happens.
    ReleaseInventory = function(command, state)
      local asked = command.data
      local quantity = state.reserved[asked.order_id]
      if not quantity then return {} end
      return events.InventoryReleased { sku = asked.sku, order_id = asked.order_id, quantity = quantity }
    end,
  },

  evolve = {
    StockAdded = function(state, event) state.free = state.free + event.data.quantity; return state end,
    InventoryReserved = function(state, event)
      state.free = state.free - event.data.quantity
      state.reserved[event.data.order_id] = event.data.quantity
      return state
    end,
    InventoryReleased = function(state, event)
      state.free = state.free + event.data.quantity
      state.reserved[event.data.order_id] = nil
      return state
    end,
  },
}
