-- What the hotel wrote over the years, brought to what it writes today. The stored events stay as they are:
-- `moontide events show . h-1` shows both.

-- Version 1 had the price as a decimal number and no day of arrival: guests came on the day they booked.
-- Version 2 had the guest's name in one piece.
upcaster "RoomBooked" {
  [1] = function(data, event)
    data.price_cents = math.floor(data.price * 100 + 0.5)
    data.price = nil
    data.arrival = event.time:sub(1, 10)
    return data
  end,
  [2] = function(data)
    data.first, data.last = data.guest:match("^(%S+)%s+(.+)$")
    data.guest = nil
    return data
  end,
  -- The way back, for who still wants an old version.
  down = {
    [3] = function(data)
      data.guest = data.first .. " " .. data.last
      data.first, data.last = nil, nil
      return data
    end,
    [2] = function(data)
      data.price = data.price_cents / 100
      data.price_cents, data.arrival = nil, nil
      return data
    end,
  },
}

-- The first name of that event. Its data is what version 1 of RoomBooked has, so it goes on from there. What the
-- programmers booked to try the form is no booking.
upcaster "BookingMade" {
  [1] = function(data)
    if data.guest == "TEST TEST" then return drop() end
    return rename("RoomBooked", data, 1)
  end,
}

-- One event said two things. Its parts are h-3~1 and h-3~2.
upcaster "StayEnded" {
  [1] = function(data)
    local parts = { events.GuestLeft { rating = data.rating } }
    if data.minibar_cents > 0 then
      parts[#parts + 1] = events.MinibarCharged { amount_cents = data.minibar_cents }
    end
    return split(parts)
  end,
}
