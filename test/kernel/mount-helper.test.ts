// The packaged mount helper against a real kernel: an ordinary user's folder is mounted by it as pkexec would call it, used, and unmounted,
// and it keeps its hands off everything else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestUnavailable, runInGuest } from './guest.ts';

const script = `
helper=$ROOT_DIR/packaging/linux/hubdrive-mount-helper
export PKEXEC_UID=65534
place=/run/user/65534/Hubdrive/demo
mkdir -p $place && chown -R 65534 /run/user/65534
hubdrive serve --demo > $SHARE/ready 2> $SHARE/serve.log &
wait_for grep -q ready $SHARE/ready
hubdrive mount bucket/demo/project --server-only > /dev/null
value() { hubdrive status --json | python3 -c "import json,sys; print(json.load(sys.stdin)['mounts'][0]['nfs']['$1'])"; }
port=$(value port) export=$(value exportPath)
mounted() { grep -q " $place .*nosuid,nodev.* nfs 127.0.0.1:$export " /proc/self/mountinfo; }
use() { test -s $place/README.md && echo hello > $place/from-helper.txt && sync && test "$(cat $place/from-helper.txt)" = hello; }
check 'mounts read-write' $helper mount $port $export rw $place
check 'is there with nosuid and nodev' mounted
check 'files are read and written through it' use
check 'refuses to mount over it or inside it' bash -c "! $helper mount $port $export rw $place && ! $helper mount $port $export rw $place/docs"
check 'a busy folder is not unmounted' bash -c "cd $place && ! $helper unmount plain $place"
check 'unmounts' $helper unmount plain $place
check 'is gone' bash -c "! grep -q ' $place ' /proc/self/mountinfo"
check 'mounts read-only' $helper mount $port $export ro $place
check 'and writes are refused' bash -c "! touch $place/x"
kill -STOP $(pgrep -f 'cli/main.ts serve' | head -1)
check 'a folder whose server does not answer is detached' timeout 60 $helper unmount lazy $place
check 'it is gone too' bash -c "! grep -q ' $place ' /proc/self/mountinfo"
mkdir -p /run/user/65534/other && mount -t tmpfs none /run/user/65534/other
check 'leaves other mounts alone' bash -c "! $helper unmount lazy /run/user/65534/other && ! $helper unmount lazy /proc"
`;

test(
  'the mount helper mounts and unmounts for an ordinary user, and nothing else',
  {
    skip: guestUnavailable() ?? false,
    timeout: 600_000,
  },
  async () => {
    const result = await runInGuest(script, { memoryMb: 1024, timeoutMs: 300_000 });
    const failed = result.checks.filter(({ passed }) => !passed);
    assert.deepEqual(failed, [], result.log.slice(-4000));
    assert.equal(result.finished, true, result.log.slice(-4000));
    assert.equal(result.checks.length, 12);
  },
);
