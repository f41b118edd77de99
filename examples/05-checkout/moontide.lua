return {
  -- What effects may refer to as ctx.env.NAME; the values are in the environment of `moontide run` alone.
  env = { "CARRIER_URL", "CARRIER_TOKEN" },
}
