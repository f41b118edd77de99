local github = require "lib.github"

local function kind(value)
  if value == null then return "null" end
  if math.type(value) then return "number" end
  if type(value) ~= "table" then return type(value) end
  -- No object of the shape is empty.
  return (#value > 0 or next(value) == nil) and "list" or "object"
end

-- Every field of the data with the kind of its value; the parts of lists in a table of their own, since a list
-- may be empty.
local function walk(event, db, value, path, within)
  for name, part in pairs(value) do
    local inner = within and path or path .. "." .. name
    local what = kind(part)
    if within then
      db.parts:put { type = event.type, path = path, kind = what }
    else
      db.fields:put { event = event.id, type = event.type, path = inner, kind = what }
    end
    if what == "object" then
      if within then
        for field, inside in pairs(part) do
          db.parts:put { type = event.type, path = path .. "[]." .. field, kind = kind(inside) }
        end
      else
        walk(event, db, part, inner, false)
      end
    elseif what == "list" then
      walk(event, db, part, inner .. "[]", true)
    end
  end
end

local function look(event, db)
  local data = event.data
  local subject = data.issue or data.pull_request
  db.seen:put {
    event = event.id, type = event.type, version = event.version, product = event.id:match("^[^/]+"),
    title = subject.title, author = subject.author.login, repository = data.repository.full_name,
    enterprise = data.enterprise,
  }
  walk(event, db, data, "", false)
end

local on = {}
for _, type in ipairs(github.types) do on[type] = look end

projection "shapes" {
  schema = [[
    create table seen(event text primary key, type text, version integer, product text, title text, author text,
      repository text, enterprise text);
    create table fields(event text, type text, path text, kind text, primary key(event, path));
    create table parts(type text, path text, kind text, primary key(type, path, kind));
  ]],
  on = on,
}
