// Builds the preload script into one CommonJS file, dist/preload/preload.cjs: the sandbox offers `require` for electron alone.

import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: '../../dist/preload',
    emptyOutDir: true,
    // Electron 45.
    target: 'es2023',
    minify: false,
    lib: { entry: 'index.ts', formats: ['cjs'], fileName: () => 'preload.cjs' },
    rolldownOptions: { external: ['electron'] },
  },
});
