// The configuration that `distillery init --config` writes.

/** Valid on any machine. A test serves it and runs its calls. */
export const exampleConfig = `# "distillery validate distillery.yaml" checks this file.
# Paths are relative to this file. Durations are written 500ms 10s 5m 2h 1d, sizes 64k 256m 2g.
# The gateway reloads this file after a change. An invalid file changes nothing.

http:
  api: true                      # enables everything under /api; without it, every path answers 501
  listen: 127.0.0.1:8080         # loopback only, because the gateway has no login; port 0 selects a free port
  # domains: [gateway.example.org]           # host names to accept besides localhost
  # origins: ["https://app.example.org"]     # other origins whose pages may use the API

data: .distillery                # folder of runs and their logs

# The gateway deletes ended runs above this age or number, and the oldest output above this size.
retention:
  age: 30d
  runs: 10000
  bytes: 10g

# How long runs may continue when the gateway stops.
shutdown:
  grace: 10s

# What clients may start, by name: \`distillery call greet Ada\`.
calls:
  greet:
    summary: Greet someone, one line per second
    params:
      - name: who
        default: world
        schema: { type: string, pattern: "^[A-Za-z ]+$", maxLength: 60 }
    process: [sh, -c, 'for i in 1 2 3; do echo "hello $1 $i"; sleep 1; done', greet, "\${who}"]
    timeout: 1m
    stop: { signal: SIGTERM, grace: 2s }

  echo:
    summary: Echo every line of input until the input ends
    process: [cat]

  # A call in a container needs a Docker engine:
  # census:
  #   summary: Count the words of the input
  #   container: { image: "busybox:latest", command: [wc, -w], network: none, memory: 64m }

  # A call for a terminal, and one for a pipeline file ("distillery init" writes one):
  # shell: { terminal: [bash, -l], scope: admin }
  # build: { pipeline: pipeline.yaml, timeout: 10m }

# Calls written in TypeScript:
# modules: [calls.ts]

# What pipelines may use beyond their own containers, and the secrets that they may read:
# pipelines: { hostJobs: false, mounts: [], workspaces: [] }
# secrets: { DEPLOY_KEY: { file: /run/secrets/deploy-key } }

# Every limit has a default; the documentation lists them:
# limits: { firstCallMs: 10s, sessionsMax: 10000 }
`;
