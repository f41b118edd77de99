-- The accountants' program still reads version 1. It gets it, whatever version is stored.
consumer "accounting" {
  from = "start",
  wants = { RoomBooked = 1 },
  on = {
    RoomBooked = function(event, ctx)
      ctx.emit(events.BookingExported({
        version = event.version, guest = event.data.guest, price = event.data.price,
      }, { topic = "exports" }))
    end,
  },
}
