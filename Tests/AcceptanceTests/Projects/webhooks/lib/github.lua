-- One shape of what four products say in four. Everything that is absent in one of them, or null now and then, has a
-- value of one kind: "" for a text, 0 for a number, false, an empty list.
local github = {}

github.types = {
  "IssuesAssigned", "IssuesDemilestoned", "IssuesEdited", "IssuesLabeled", "IssuesMilestoned", "IssuesOpened",
  "IssuesUnassigned", "IssuesUnlabeled", "PullRequestAssigned", "PullRequestClosed", "PullRequestLabeled",
  "PullRequestOpened", "PullRequestReviewCommentCreated", "PullRequestReviewSubmitted", "PullRequestUnassigned",
  "PullRequestUnlabeled",
}

local function text(value) return type(value) == "string" and value or "" end
local function number(value) return math.type(value) and value or 0 end
local function flag(value) return value == true end
local function part(value) return type(value) == "table" and value or {} end

local function list(values, make)
  local made = array {}
  for index, value in ipairs(part(values)) do made[index] = make(value) end
  return made
end

local function user(value)
  value = part(value)
  return { id = number(value.id), login = text(value.login), kind = text(value.type) }
end

local function label(value)
  value = part(value)
  return { name = text(value.name), color = text(value.color), description = text(value.description) }
end

local function milestone(value)
  value = part(value)
  return { number = number(value.number), title = text(value.title), state = text(value.state) }
end

local function repository(value)
  value = part(value)
  local visibility = text(value.visibility)
  if visibility == "" then visibility = value.private and "private" or "public" end
  return {
    id = number(value.id), full_name = text(value.full_name), visibility = visibility,
    default_branch = text(value.default_branch), language = text(value.language),
    topics = list(value.topics, text),
  }
end

local function branch(value)
  value = part(value)
  return { ref = text(value.ref), sha = text(value.sha), repository = repository(value.repo) }
end

-- What issues and pull requests have in common.
local function item(value)
  return {
    id = number(value.id), number = number(value.number), title = text(value.title), body = text(value.body),
    state = text(value.state), draft = flag(value.draft), locked = flag(value.locked),
    lock_reason = text(value.active_lock_reason), author = user(value.user),
    labels = list(value.labels, label), assignees = list(value.assignees, user),
    milestone = milestone(value.milestone), created_at = text(value.created_at),
    updated_at = text(value.updated_at), closed_at = text(value.closed_at),
  }
end

local function reactions(value)
  value = part(value)
  return {
    total = number(value.total_count), plus = number(value["+1"]), minus = number(value["-1"]),
    heart = number(value.heart),
  }
end

local function issue(value)
  local made = item(value)
  made.comments = number(value.comments)
  made.reactions = reactions(value.reactions)
  return made
end

local function pull_request(value)
  local made = item(value)
  made.merged_at = text(value.merged_at)
  made.merge_commit = text(value.merge_commit_sha)
  made.auto_merge = type(value.auto_merge) == "table"
  made.head, made.base = branch(value.head), branch(value.base)
  made.reviewers = list(value.requested_reviewers, user)
  return made
end

local function comment(value)
  return {
    id = number(value.id), body = text(value.body), path = text(value.path), line = number(value.line),
    author = user(value.user), created_at = text(value.created_at), reactions = reactions(value.reactions),
  }
end

local function review(value)
  return {
    id = number(value.id), body = text(value.body), state = text(value.state), author = user(value.user),
    submitted_at = text(value.submitted_at),
  }
end

-- GitHub AE to api.github.com: the enterprise is a name, and what the newer product always has is there.
function github.from_enterprise(data)
  data.enterprise = part(data.enterprise).slug
  local subject = data.issue or data.pull_request
  if subject.draft == nil then subject.draft = false end
  if subject.active_lock_reason == nil then subject.active_lock_reason = null end
  for _, one in ipairs(part(subject.labels)) do
    if one.description == nil then one.description = null end
  end
  return data
end

-- api.github.com to the one shape. Which parts an event has follows from its type alone.
function github.one_shape(data, event)
  local made = {
    action = text(data.action), repository = repository(data.repository), sender = user(data.sender),
    organization = text(part(data.organization).login), enterprise = text(data.enterprise),
    installation = number(part(data.installation).id),
  }
  local kind = event.type
  if data.issue then made.issue = issue(data.issue) else made.pull_request = pull_request(data.pull_request) end
  if kind:find("Labeled$") or kind:find("Unlabeled$") then made.label = label(data.label) end
  if kind:find("Assigned$") or kind:find("Unassigned$") then made.assignee = user(data.assignee) end
  if kind:find("Milestoned$") or kind:find("Demilestoned$") then made.milestone = milestone(data.milestone) end
  if kind == "IssuesEdited" or kind == "IssuesOpened" then
    made.changed = array {}
    for name in pairs(part(data.changes)) do made.changed[#made.changed + 1] = name end
  end
  if kind == "PullRequestReviewCommentCreated" then made.comment = comment(data.comment) end
  if kind == "PullRequestReviewSubmitted" then made.review = review(data.review) end
  return made
end

return github
