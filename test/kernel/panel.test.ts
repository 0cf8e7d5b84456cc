// The whole chain in one guest: a browser clicks Mount in the panel, the kernel mounts, a program writes, the panel shows the
// WRITE, the browser clicks Unmount.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { buildRenderer } from '../panel/renderer-build.ts';
import { guestUnavailable, runInGuest } from './guest.ts';
import { startEverything } from './setup.ts';

const script = `
mkdir /run/guest/clicks
${startEverything}
PANEL=$(json /run/guest/serve.json .panel)
node --disable-warning=ExperimentalWarning "$ROOT_DIR/test/kernel/panel-clicks.ts" "$PANEL" /run/guest/clicks > /run/guest/clicks/log 2>&1 &
waits() { local n; for n in $(seq 1500); do test -e /run/guest/clicks/$1 && return 0; sleep 0.1; done; cat /run/guest/clicks/log; return 1; }
check "a click on Mount in the panel mounts" waits mounted
check "the kernel has it mounted" is_mounted $MOUNT
check "a program writes a file" bash -c "echo 'by a program' > $MOUNT/from-a-program.txt"
touch /run/guest/clicks/written
check "the panel shows the WRITE" waits seen
check "a click on the switch unmounts" waits unmounted
gone() { ! is_mounted $MOUNT; }
check "the kernel has it no more" gone
on_hub() { hub digest demo/work | grep -q "$(echo 'by a program' | sha256sum | cut -d' ' -f1)  ./from-a-program.txt"; }
check "the Hub has the file" on_hub
`;

function unavailable(): string | null {
  const reason = guestUnavailable();
  if (reason !== null || existsSync('/usr/bin/chromium')) return reason;
  const missing = 'there is no /usr/bin/chromium: apt-get install -y chromium';
  if (process.env['CI']) throw new Error(`the kernel tests must run in CI, but ${missing}`);
  return missing;
}

test(
  'from a click in the panel to the kernel, the Hub and back',
  { skip: unavailable() ?? false },
  async (t) => {
    await buildRenderer();
    const result = await runInGuest(script, { memoryMb: 3072 });
    for (const check of result.checks) await t.test(check.name, () => assert.ok(check.passed, check.output));
    assert.ok(result.finished, `the guest did not finish:\n${result.log}`);
    assert.ok(result.checks.length >= 7, `only ${result.checks.length} checks ran:\n${result.log}`);
  },
);
