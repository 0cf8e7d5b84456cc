// Puts the stand-in in the place of the `electron` module. Import it before anything of src/main/electron.

import { registerHooks } from 'node:module';

const standInUrl = new URL('./electron.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'electron' ? { url: standInUrl, shortCircuit: true } : next(specifier, context),
});
