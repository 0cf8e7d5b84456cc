// Sixteen threads for file and DNS calls, as every process of ours has: with the usual four, a few slow calls would hold up all the others.
// Imported before anything else, because the size is read when the pool is first used.

process.env['UV_THREADPOOL_SIZE'] ??= '16';
