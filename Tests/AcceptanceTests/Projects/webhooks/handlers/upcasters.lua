local github = require "lib.github"

-- Version 1 is GHES 3.4, 2 is GHES 3.5, 3 is GitHub AE, 4 is api.github.com; 5 is ours.
for _, type in ipairs(github.types) do
  upcaster(type) {
    [1] = function(data) return data end,
    [2] = function(data) return data end,
    [3] = github.from_enterprise,
    [4] = github.one_shape,
  }
end
