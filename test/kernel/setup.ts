// The part every kernel test starts with: the embedded Hub, the host and a mounted empty bucket, all inside the guest.

/** Afterwards: $MOUNT is the mounted bucket demo/work, $PLAIN an ordinary folder beside it, $HF_ENDPOINT and $HF_TOKEN are set. */
export const startEverything = `
PLAIN=/run/guest/plain MOUNT=/run/guest/home/Hubdrive/demo/work; mkdir -p $PLAIN
hub() { node --disable-warning=ExperimentalWarning "$ROOT_DIR/test/kernel/hub-tool.ts" "$@"; }
json() { node -p "JSON.parse(require('fs').readFileSync('$1','utf8').split('\\n')[0])$2"; }
start_hub() {
  hubdrive hub --port 5080 --data /run/guest/hub --seed demo > /run/guest/hub.json 2> /run/guest/hub.log &
  wait_for test -s /run/guest/hub.json || { cat /run/guest/hub.log; return 1; }
}
start_host() {
  : > /run/guest/serve.json
  hubdrive serve > /run/guest/serve.json 2>> /run/guest/serve.log 7>&- &
  HOST_PID=$!
  wait_for test -s /run/guest/serve.json || { tail -n 50 /run/guest/serve.log; return 1; }
}
host_pid() { pgrep -f '[c]li/main.ts serve' | head -1; }
start_hub
export HF_ENDPOINT=$(json /run/guest/hub.json .endpoint) HF_TOKEN=$(json /run/guest/hub.json .token)
hub create demo/work
start_host
is_mounted() { grep -q " $1 nfs " /proc/mounts; }
settled() { hubdrive flush bucket/demo/work; hubdrive pending --json > /run/guest/pending.json; cat /run/guest/pending.json; tr -d ' \\n' < /run/guest/pending.json | grep -q '"items":\\[\\]'; }
export ROOT_DIR
`;
