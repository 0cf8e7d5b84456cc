// Builds the panel into dist/renderer: relative addresses only, nothing inlined (the content policy allows files of ours alone).

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react()],
  build: {
    outDir: '../../dist/renderer',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    // Electron 45 and the browsers of the last year.
    target: 'es2023',
    modulePreload: { polyfill: false },
    // Read from this disk, never over a network.
    chunkSizeWarningLimit: 1000,
  },
});
