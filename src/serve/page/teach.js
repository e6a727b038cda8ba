/* SPDX-License-Identifier: Apache-2.0
 *
 * "That was wrong, it is a …": the picture and what it really is go to the server, which keeps them for the next training
 * and, where the model can be taught, knows it from then on. */

import { call, Trouble } from './server.js';
import { t } from './texts.js';

const $ = (id) => document.getElementById(id);
const mostButtons = 30;
let current = null; /* {model, on, picture: () => Promise of a blob, taught: () => …} */

function words(text, kind = '') {
  $('teach-words').textContent = text;
  $('teach-words').className = kind;
}

function mark(name) {
  for (const button of $('teach-classes').querySelectorAll('button')) button.setAttribute('aria-pressed', button.dataset.name === name);
}

async function tell(name) {
  mark(name);
  words('');
  try {
    const body = await current.picture();
    if (!body) return;
    const path = `feedback?model=${encodeURIComponent(current.model)}&label=${encodeURIComponent(name)}`;
    const answer = await call(path, { method: 'POST', body, headers: { 'Content-Type': body.type } });
    const kept = answer.queued ? t(answer.known ? 'known' : answer.moved ? 'moved' : 'queued', { name, count: answer.count }) : '';
    words(answer.taught ? `${t('taught', { name })} ${kept}` : kept, 'done');
    if (answer.taught) current.taught();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    mark(null);
    words(error.kind === 'away' ? t('away') : t('failed', { why: error.message }), 'bad');
  }
}

/* After a new picture nothing is told of it yet. */
export function reset() {
  mark(null);
  if (current?.on) words('');
}

export function setUp(settings, classes) {
  current = settings;
  const box = $('teach-classes');
  if (classes.length <= mostButtons) {
    box.replaceChildren(...classes.map((name) => {
      const button = document.createElement('button');
      button.textContent = name;
      button.dataset.name = name;
      button.setAttribute('aria-label', t('tell', { name }));
      button.setAttribute('aria-pressed', 'false');
      button.disabled = !settings.on;
      button.addEventListener('click', () => tell(name));
      return button;
    }));
  } else {
    const select = document.createElement('select');
    select.setAttribute('aria-label', t('wrongChoose'));
    select.append(new Option(t('wrongChoose'), ''), ...classes.map((name) => new Option(name, name)));
    select.disabled = !settings.on;
    select.addEventListener('change', () => select.value && tell(select.value));
    box.replaceChildren(select);
  }
  words(settings.on ? '' : t('feedbackOff'));
}

export function setVisible(visible) {
  $('teach').hidden = !visible;
}
