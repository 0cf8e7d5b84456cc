// The panel's entry: finds its transport, makes the store, draws.

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { PanelContext } from './parts/panel-context.ts';
import { createPanel } from './store/panel-store.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/dialogs.css';
import './styles/layout.css';
import './styles/mounts.css';
import './styles/picker.css';
import './styles/activity.css';
import './styles/lists.css';
import { connect } from './transport/connection.ts';

const panel = createPanel({
  connection: connect(window),
  onFrame: (callback) => void requestAnimationFrame(callback),
  now: () => Date.now(),
});
document.addEventListener('visibilitychange', () => panel.setVisible(document.visibilityState === 'visible'));

const place = document.getElementById('panel');
if (place === null) throw new Error('index.html has no place for the panel');
createRoot(place).render(
  <StrictMode>
    <PanelContext value={panel}>
      <App />
    </PanelContext>
  </StrictMode>,
);
