// SIGKILL under a live kernel mount: the mount stays, the host comes back on the same port with the same handles, and every byte that a
// program had synced is there. Programs that were writing only notice a pause.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestUnavailable, runInGuest } from './guest.ts';
import { startEverything } from './setup.ts';

const script = `
mkdir -p /run/guest/src; head -c 3000000 /dev/urandom > /run/guest/src/data
${startEverything}
kill_host() { kill -9 $(host_pid); wait_for bash -c '! pgrep -f "[c]li/main.ts serve"'; }
mounted_again() { hubdrive status --json | grep -q '"state": *"mounted"'; }
check "mount" hubdrive mount bucket/demo/work
prepare() { cd $MOUNT; dd if=/run/guest/src/data of=synced bs=64k conv=fsync status=none; mkdir dir; echo before > dir/open; sync; }
check "synced data is written" prepare
exec 7<> $MOUNT/dir/open
/usr/bin/python3 - $MOUNT/journal /run/guest/acknowledged <<'PY' &
import os, sys
journal = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
for n in range(400):
    os.write(journal, b"line %06d\\n" % n)
    os.fsync(journal)
    with open(sys.argv[2], "w") as seen: seen.write(str(n))
PY
WRITER=$!
wait_for bash -c 'test "$(cat /run/guest/acknowledged 2>/dev/null || echo 0)" -gt 20'
check "the host is killed while a program writes" kill_host
AT_KILL=$(cat /run/guest/acknowledged)
start_host
check "the host comes back with the mount" wait_for mounted_again
synced() { cmp /run/guest/src/data $MOUNT/synced; }
check "synced data survived the kill" synced
open_file() { test "$(cat <&7)" = before; echo after >&7; grep -q after $MOUNT/dir/open; }
check "a file opened before the kill reads and writes after it" open_file
writer_done() { wait_for bash -c 'test "$(cat /run/guest/acknowledged)" = 399'; test "$(wc -l < $MOUNT/journal)" = 400; for n in 0 7 $(seq 0 399); do printf 'line %06d\\n' $n; done | tail -n 400 | cmp - $MOUNT/journal; }
check "the writing program finished and lost no line" writer_done
echo "killed at line $AT_KILL"
kill_before_upload() { cp /run/guest/src/data $MOUNT/unsent && sync $MOUNT/unsent && kill_host; }
check "killed again before anything was sent" kill_before_upload
start_host
check "the host comes back again" wait_for mounted_again
check "what was unsent is sent after all" settled
on_hub() { hub digest demo/work > /run/guest/sums; grep -q "$(sha256sum < /run/guest/src/data | cut -d' ' -f1)  ./unsent" /run/guest/sums; grep -q "$(sha256sum < $MOUNT/journal | cut -d' ' -f1)  ./journal" /run/guest/sums; }
check "the Hub has the same bytes, asked by another client" on_hub
exec 7>&-
leave() { cd /; hubdrive unmount bucket/demo/work; ! is_mounted $MOUNT; }
check "and it unmounts" leave
tail -n 30 /run/guest/serve.log
`;

test('a live kernel mount survives SIGKILL of the host', { skip: guestUnavailable() ?? false }, async (t) => {
  const result = await runInGuest(script);
  for (const check of result.checks) await t.test(check.name, () => assert.ok(check.passed, check.output));
  assert.ok(result.finished, `the guest did not finish:\n${result.log}`);
  assert.ok(result.checks.length >= 12, `only ${result.checks.length} checks ran:\n${result.log}`);
});
