// What runs in every frame before the page's own scripts: the preload bundle, with the `require('electron')` that a sandbox has, over the
// binding that the window exposes. Written as text because it runs in Chromium.

/** The preload itself runs in the main frame only, as with `nodeIntegrationInSubFrames: false`. */
export function preloadScript(preloadSource: string, isVisible: boolean): string {
  return `(() => {
  const invoke = window.__standInInvoke;
  const listeners = new Map();
  let visible = ${isVisible};
  Object.defineProperty(document, 'visibilityState', { get: () => (visible ? 'visible' : 'hidden') });
  window.__standInVisible = (now) => {
    if (visible === now) return;
    visible = now;
    document.dispatchEvent(new Event('visibilitychange'));
  };
  if (window !== window.top || location.hostname === '') return;
  delete window.__standInInvoke;
  window.__standInPush = ([channel, payload]) => {
    for (const listener of [...(listeners.get(channel) ?? [])]) listener({}, payload);
  };
  const ipcRenderer = {
    invoke: (channel, ...args) => invoke(channel, args),
    on: (channel, listener) => {
      listeners.set(channel, (listeners.get(channel) ?? new Set()).add(listener));
      return ipcRenderer;
    },
    off: (channel, listener) => {
      listeners.get(channel)?.delete(listener);
      return ipcRenderer;
    },
  };
  const freeze = (value) => {
    if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };
  const contextBridge = {
    exposeInMainWorld: (name, value) =>
      Object.defineProperty(window, name, { value: freeze(value), enumerable: true }),
  };
  const require = (name) => {
    if (name !== 'electron') throw new Error('module not found: ' + name);
    return { contextBridge, ipcRenderer };
  };
  ((require, module, exports) => {
${preloadSource}
  })(require, { exports: {} }, {});
})();`;
}
