-- Money is whole cents everywhere. Floats appear at the border only: in events of old, and in texts.
local money = {}

-- 19.99 → 1999; rounds half up, since 19.99 * 100 is 1998.9999999999998.
function money.cents(amount)
  return math.floor(amount * 100 + 0.5)
end

-- 1999 → "19.99"
function money.text(cents)
  local sign = cents < 0 and "-" or ""
  local whole = math.abs(cents)
  return string.format("%s%d.%02d", sign, whole // 100, whole % 100)
end

return money
