// Runs once, when the MongoDB volume is empty: the workers' account counts requests to targets, and reads nothing else.
const password = require("fs").readFileSync("/run/secrets/limits_password", "utf8").trim();
db.getSiblingDB("steptrail_limits").createUser({
  user: "limits",
  pwd: password,
  roles: [{ role: "readWrite", db: "steptrail_limits" }],
});
