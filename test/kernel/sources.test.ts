// Repos, revisions and changes by other clients as a kernel client sees them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestUnavailable, runInGuest } from './guest.ts';
import { startEverything } from './setup.ts';

const script = `
${startEverything}
MODEL=$(curl -s -H "Authorization: Bearer $HF_TOKEN" $HF_ENDPOINT/api/models?author=demo | node -p "JSON.parse(require('fs').readFileSync(0,'utf8'))[0].id")
DATASET=$(curl -s -H "Authorization: Bearer $HF_TOKEN" $HF_ENDPOINT/api/datasets?author=demo | node -p "JSON.parse(require('fs').readFileSync(0,'utf8'))[0].id")
check "a model repo mounts" hubdrive mount model/$MODEL /run/guest/home/model
model_same() { cd /run/guest/home/model; test "$(find . -type f | wc -l)" -gt 2; for f in $(find . -type f | sed 's#^./##'); do curl -sL -H "Authorization: Bearer $HF_TOKEN" "$HF_ENDPOINT/$MODEL/resolve/main/$f" | cmp - "$f"; done; }
check "its files read as the Hub serves them" model_same
readonly_repo() { cd /run/guest/home/model; f=$(ls | head -1); test ! -w "$f" -o "$(id -u)" = 0; if touch new 2>/run/guest/err; then return 1; fi; grep -qi 'read-only' /run/guest/err; if rm -f "$f" 2>/dev/null; then return 1; fi; test "$(stat -c %A "$f" | tr -d 'rx-')" = ''; }
check "a repo is read-only and says so" readonly_repo
check "a dataset mounts at a revision" hubdrive mount dataset/$DATASET /run/guest/home/dataset --revision main
check "and unmounts again" hubdrive unmount dataset/$DATASET
check "a bucket mounts" hubdrive mount bucket/demo/work
echo theirs > /run/guest/theirs
appears() { hub put demo/work from/others.txt /run/guest/theirs && wait_for test -e $MOUNT/from/others.txt && cmp /run/guest/theirs $MOUNT/from/others.txt; }
check "a file of another client appears" appears
changes() { echo second > /run/guest/theirs && hub put demo/work from/others.txt /run/guest/theirs && wait_for grep -q second $MOUNT/from/others.txt; }
check "its change by another client is seen" changes
vanishes() { hub remove demo/work from/others.txt && wait_for bash -c "! test -e $MOUNT/from/others.txt"; }
check "a file removed by another client vanishes" vanishes
check "a subfolder of the demo bucket mounts" bash -c 'cd / && for s in $(curl -s -H "Authorization: Bearer $HF_TOKEN" "$HF_ENDPOINT/api/buckets/demo" | node -p "JSON.parse(require(\\"fs\\").readFileSync(0,\\"utf8\\")).map(b=>b.id).filter(b=>b!==\\"demo/work\\")[0]"); do node --disable-warning=ExperimentalWarning $ROOT_DIR/src/cli/main.ts mount bucket/$s /run/guest/home/project && find /run/guest/home/project -type f -print0 | xargs -0 cat | wc -c | grep -v "^0$"; done'
missing() { if hubdrive mount bucket/demo/none /run/guest/home/none 2> /run/guest/err; then return 1; fi; cat /run/guest/err; grep -q demo/none /run/guest/err; }
check "a missing bucket is refused by name" missing
notempty() { mkdir -p /run/guest/home/full && touch /run/guest/home/full/x; if hubdrive mount bucket/demo/work /run/guest/home/full 2> /run/guest/err; then return 1; fi; cat /run/guest/err; }
check "a folder that is not empty is refused" notempty
check "SIGTERM unmounts everything" bash -c 'kill -TERM $(pgrep -f "[c]li/main.ts serve" | head -1); for n in $(seq 300); do grep -q " nfs " /proc/mounts || exit 0; sleep 0.1; done; cat /proc/mounts; exit 1'
tail -n 20 /run/guest/serve.log
`;

test(
  'repos, revisions and changes by others through a real kernel',
  { skip: guestUnavailable() ?? false },
  async (t) => {
    const result = await runInGuest(script);
    for (const check of result.checks) await t.test(check.name, () => assert.ok(check.passed, check.output));
    assert.ok(result.finished, `the guest did not finish:\n${result.log}`);
    assert.ok(result.checks.length >= 13, `only ${result.checks.length} checks ran:\n${result.log}`);
  },
);
