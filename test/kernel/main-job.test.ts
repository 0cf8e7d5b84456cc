// The main job with ordinary programs through a real kernel: whatever is done in the mount is done beside it in a plain folder, and at
// the end the mount, the plain folder and the Hub (asked by another client) hold the same bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestUnavailable, runInGuest } from './guest.ts';
import { startEverything } from './setup.ts';

/** Each is run once in the mount and once in the plain folder, in this order, with the working directory there. */
const bothSides: readonly [name: string, script: string][] = [
  [
    'cp brings files of many sizes',
    'for s in 0 1 4095 4096 100000 3000000; do cp /run/guest/src/f$s .; done',
  ],
  ['cp -a keeps modes and times', 'cp -a /run/guest/src/tree ./tree-a && test -x tree-a/run.sh'],
  ['dd conv=fsync writes and syncs', 'dd if=/run/guest/src/f3000000 of=dd.bin bs=64k conv=fsync status=none'],
  [
    'dd overwrites in the middle',
    'dd if=/run/guest/src/f4096 of=dd.bin bs=4096 seek=100 conv=notrunc,fsync status=none',
  ],
  [
    'appends land at the end',
    'for i in 1 2 3 4 5; do echo line $i >> log.txt; done; cat /run/guest/src/f4095 >> log.txt',
  ],
  [
    'truncate shrinks and grows',
    'cp /run/guest/src/f100000 t && truncate -s 5000 t && truncate -s 70000 t && truncate -s +10 t',
  ],
  [
    'mv renames files, over others and between folders',
    'mkdir -p m1 m2 && cp /run/guest/src/f4096 m1/a && cp /run/guest/src/f1 m2/b && mv m1/a m2/b && mv m2/b m1/c && mv m1 m3',
  ],
  ['rm -rf removes a tree', 'cp -r /run/guest/src/tree gone && rm -rf gone && test ! -e gone'],
  ['find and ls -lR see every name', 'find . | sort > /run/guest/find.$SIDE && ls -lR . > /dev/null'],
  [
    'odd names work',
    "mkdir -p 'odd names' && cd 'odd names' && echo 1 > 'a b' && echo 2 > 'c#d' && echo 3 > '50%' && echo 4 > 'what?' && echo 5 > '🙂' && echo 6 > $'nfd-e\\u0301' && cat 'a b' 'c#d' '50%' 'what?' '🙂' $'nfd-e\\u0301'",
  ],
  [
    'tar unpacks and packs',
    'tar xf /run/guest/src/tree.tar && tar cf - tree | tar tf - | sort | md5sum > tar.sum',
  ],
  [
    'rsync copies, then finds nothing to do',
    'rsync -a /run/guest/src/tree/ rs/ && test -z "$(rsync -ai /run/guest/src/tree/ rs/)"',
  ],
  [
    'ed edits in place',
    "printf 'one\\ntwo\\nthree\\n' > ed.txt && printf '2s/two/TWO/\\nw\\nq\\n' | ed -s ed.txt",
  ],
  [
    'vim saves a file',
    "printf 'alpha\\nbeta\\n' > vim.txt && vim.tiny -es -c '%s/beta/gamma/' -c 'wq' vim.txt; grep -q gamma vim.txt",
  ],
  [
    'vim saves with a backup and a rename',
    "vim.tiny -es -c 'set backup writebackup backupcopy=no' -c '%s/gamma/delta/' -c 'wq' vim.txt; grep -q delta vim.txt && rm -f vim.txt~",
  ],
  [
    'sqlite3 commits transactions',
    "sqlite3 db.sqlite 'create table t(a); insert into t select value from generate_series(1,2000);' 2>/dev/null || sqlite3 db.sqlite 'create table t(a); with recursive c(x) as (select 1 union all select x+1 from c where x<2000) insert into t select x from c;'; sqlite3 db.sqlite 'update t set a=a+1; delete from t where a%7=0; select count(*) from t; pragma integrity_check;' | tee sqlite.out; grep -q ok sqlite.out",
  ],
  [
    'python reads through mmap',
    "/usr/bin/python3 -c \"import mmap,hashlib; f=open('dd.bin','rb'); m=mmap.mmap(f.fileno(),0,access=mmap.ACCESS_READ); open('mmap.sum','w').write(hashlib.sha256(m[:]).hexdigest())\"",
  ],
  [
    'python writes through a shared mapping',
    "/usr/bin/python3 -c \"import mmap; f=open('dd.bin','r+b'); m=mmap.mmap(f.fileno(),0); m[5000:5010]=b'0123456789'; m.flush(); m.close()\"",
  ],
  [
    'symbolic links read back',
    'ln -s log.txt link && test "$(readlink link)" = log.txt && cmp link log.txt && rm link',
  ],
  [
    'hard links share their bytes',
    'echo shared > h1 && ln h1 h2 && echo more >> h2 && cmp h1 h2 && rm h1 && grep -q more h2',
  ],
  [
    'an open file survives its removal',
    'exec 7<> held && echo kept >&7 && rm held && echo more >&7 && test "$(cat /proc/self/fd/7 | wc -l)" = 2 && exec 7>&-',
  ],
  [
    'exclusive create is exclusive',
    'set -o noclobber; echo x > excl; if echo y > excl; then exit 1; fi 2>/dev/null; grep -q x excl',
  ],
  ['chmod is remembered', 'echo m > mode && chmod 640 mode && test "$(stat -c %a mode)" = 640'],
  [
    'touch sets times',
    'echo t > times && touch -d \'2020-02-03 04:05:06 UTC\' times && test "$(stat -c %Y times)" = 1580702706',
  ],
];

/** Only in the mount. */
const mountOnly = `
git_job() { cd $MOUNT && git init -q repo && cd repo && cp -r /run/guest/src/tree/. . && git add -A && git commit -qm one && echo change >> text.txt && git commit -qam two && git gc -q && git fsck --strict && test -z "$(git status --porcelain)" && git clone -q . ../clone && cmp text.txt ../clone/text.txt; }
check "git inits, commits, packs, checks and clones" git_job
many() { mkdir $MOUNT/many && cd $MOUNT/many && seq 5000 | split -l 1 -a 4 -d - f && test "$(ls | wc -l)" = 5000 && test "$(cat * | sort -n | uniq | wc -l)" = 5000; }
check "5,000 files in one folder list completely" many
many_mv() { cd $MOUNT && mv many moved && test "$(ls moved | wc -l)" = 5000 && rm -rf moved && test ! -e moved; }
check "a folder of 5,000 files moves and is removed" many_mv
df_ok() { df -k $MOUNT | tail -1 | awk '{ exit !($4 > 1000 && $4 < 100000000) }'; }
check "df tells the real free space" df_ok
eight() { cd $MOUNT && truncate -s 8M eight && for i in 0 1 2 3 4 5 6 7; do dd if=/run/guest/src/f1048576 of=eight bs=1M seek=$i conv=notrunc status=none & done; wait; for i in 0 1 2 3 4 5 6 7; do dd if=eight bs=1M skip=$i count=1 status=none | cmp - /run/guest/src/f1048576; done; rm eight; }
check "eight writers at distinct offsets lose nothing" eight
junk() { cd $MOUNT && echo x > .DS_Store && echo y > ._log.txt && cat .DS_Store ._log.txt; }
check "local junk files are usable" junk
`;

const script = `
mkdir -p /run/guest/src/tree/sub/deep; cd /run/guest/src
for s in 0 1 4095 4096 100000 3000000 1048576; do head -c $s /dev/urandom > f$s; done
echo 'some text' > tree/text.txt; printf '#!/bin/sh\\necho hi\\n' > tree/run.sh; chmod 755 tree/run.sh
for i in $(seq 40); do seq $i 2000 > tree/sub/n$i; head -c $((i*1000)) /dev/urandom > tree/sub/deep/r$i; done
tar cf tree.tar tree
${startEverything}
check "the mount command mounts" hubdrive mount bucket/demo/work
check "the kernel has it mounted" is_mounted $MOUNT
check "status says mounted" bash -c "node --disable-warning=ExperimentalWarning $ROOT_DIR/src/cli/main.ts status --json | grep -q '\\"state\\": *\\"mounted\\"'"
${bothSides
  .map(
    ([name, body], index) => `
cat > /run/guest/step${index} <<'STEP'
set -e
${body}
STEP
(cd $PLAIN && SIDE=plain bash /run/guest/step${index} >/run/guest/plain.out 2>&1) || cat /run/guest/plain.out
step() { cd $MOUNT && SIDE=mount bash /run/guest/step${index}; }
check "${name}" step`,
  )
  .join('\n')}
same_names() { diff /run/guest/find.plain /run/guest/find.mount; }
check "find lists the same on both sides" same_names
check "mount and plain folder hold the same bytes" diff -r $PLAIN $MOUNT
${mountOnly}
check "everything pending reaches the Hub" settled
hub_same() { (cd $MOUNT && find . -type f ! -name .DS_Store ! -name '._*' -print0 | xargs -0 sha256sum | LC_ALL=C sort -k2) | sed 's/^\\\\//' > /run/guest/mount.sums; hub digest demo/work | LC_ALL=C sort -k2 > /run/guest/hub.sums; diff /run/guest/mount.sums /run/guest/hub.sums; wc -l < /run/guest/hub.sums; }
check "the Hub holds the same bytes, asked by another client" hub_same
remount() { hubdrive unmount bucket/demo/work; ! is_mounted $MOUNT; hubdrive mount bucket/demo/work; diff -r $PLAIN $MOUNT | grep -v '^Only in /run/guest/home/Hubdrive/demo/work' > /run/guest/rest || true; cat /run/guest/rest; test ! -s /run/guest/rest; test "$(stat -c %a $MOUNT/mode)" = 640; }
check "after unmount and mount it is all there" remount
restart() { cd /; kill -TERM $(host_pid); wait_for bash -c '! pgrep -f "[c]li/main.ts serve"'; }
check "SIGTERM ends the host and the mount" restart
gone() { ! is_mounted $MOUNT; }
check "nothing stays mounted" gone
tail -n 20 /run/guest/serve.log
`;

test(
  'the main job with ordinary programs through a real kernel',
  { skip: guestUnavailable() ?? false },
  async (t) => {
    const result = await runInGuest(script);
    for (const check of result.checks) await t.test(check.name, () => assert.ok(check.passed, check.output));
    assert.ok(result.finished, `the guest did not finish:\n${result.log}`);
    assert.ok(result.checks.length >= bothSides.length + 15, `only ${result.checks.length} checks ran`);
  },
);
