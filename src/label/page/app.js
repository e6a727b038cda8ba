/* SPDX-License-Identifier: Apache-2.0
 *
 * The beginning: the keyboard, the buttons, dialogs, the first questions to the server. */

import * as model from './model.js';
import { state } from './model.js';
import * as api from './api.js';
import * as grid from './grid.js';
import * as single from './single.js';
import * as panel from './panel.js';
import * as page from './page.js';
import { t } from './texts.js';

const $ = (id) => document.getElementById(id);

/* The token has become a cookie; in the address bar it would end up in screenshots and histories. */
if (location.search) history.replaceState(null, '', '/');

/* ---- dialogs ---------------------------------------------------------------------------------------------------- */

function showHelp() {
  const keys = [
    [t('digits'), 'key_class'], [t('arrows'), 'key_move'], [`⇧ ${t('arrows')}`, 'key_range'], [t('space'), 'key_toggle'], ['Ctrl A', 'key_all'],
    ['↵ / Esc', 'key_open'], ['.', 'key_accept'], ['⌫', 'key_clear'], ['-', 'key_aside'], ['Ctrl Z / Y', 'key_undo'], ['/', 'key_search'], [';', 'key_class_new'],
    ['[ ]', 'key_queue'], ['+ _', 'key_zoom'], ['*', 'key_fit'], ['?', 'key_help'],
  ];
  $('help-keys').replaceChildren(...keys.map(([key, text]) => {
    const row = document.createElement('div'), term = document.createElement('dt'), meaning = document.createElement('dd'), cap = document.createElement('kbd');
    cap.textContent = key;
    term.append(cap);
    meaning.textContent = t(text);
    row.append(term, meaning);
    return row;
  }));
  $('help-dialog').showModal();
}

function askWho() {
  $('who-name').value = state.who;
  $('who-dialog').showModal();
  $('who-name').focus();
}
$('who-dialog').addEventListener('close', () => {
  model.setWho($('who-name').value);
  localStorage.setItem('hone-asked', 'yes');
  grid.focusGrid();
});
$('rename').addEventListener('click', () => {
  $('help-dialog').close();
  askWho();
});
$('help').addEventListener('click', showHelp);

/* ---- keys ------------------------------------------------------------------------------------------------------- */

/* An input method for Chinese takes letters away; the key itself is still known. */
function keyOf(event) {
  if (event.key !== 'Process' && event.key !== 'Unidentified') return event.key;
  const letter = /^Key([A-Z])$/.exec(event.code), digit = /^Digit([0-9])$/.exec(event.code);
  if (letter) return event.shiftKey ? letter[1] : letter[1].toLowerCase();
  return digit ? digit[1] : event.key;
}

function command(event, key) {
  const control = event.ctrlKey || event.metaKey;
  if (control && key.toLowerCase() === 'z') return event.shiftKey ? model.redo : model.undo;
  if (control && key.toLowerCase() === 'y') return model.redo;
  if (control && key.toLowerCase() === 'a' && !state.open) return () => model.select(state.ids);
  if (control || event.altKey) return null;
  const zoomed = state.open ? (factor) => () => single.zoom(factor) : (factor) => () => grid.resize(factor > 1 ? 1 : -1);
  switch (key) {
    case 'Enter': return state.open ? single.close : single.open;
    case 'Escape': return state.open ? single.close : () => model.select([]);
    case ' ': return state.open ? () => model.moveTo(state.at + 1) : () => model.toggle(model.focused());
    case '.': return model.accept;
    case 'Backspace': case 'Delete': return () => model.label(null);
    case '-': return model.setAside;
    case '/': return () => $('search').focus();
    case ';': return () => { togglePanel(true); $('class-name').focus(); };
    case '?': return showHelp;
    case '[': return () => panel.stepQueue(-1);
    case ']': return () => panel.stepQueue(1);
    case '+': case '=': return zoomed(1.4);
    case '_': return zoomed(1 / 1.4);
    case '*': return single.fit;
    default: break;
  }
  if (state.open && ['ArrowLeft', 'ArrowUp'].includes(key)) return () => model.moveTo(state.at - 1);
  if (state.open && ['ArrowRight', 'ArrowDown'].includes(key)) return () => model.moveTo(state.at + 1);
  const name = state.keys.get(key);
  return name === undefined ? null : () => model.label(name);
}

document.addEventListener('keydown', (event) => {
  if (document.querySelector('dialog[open]')) return;
  const key = keyOf(event), inText = event.target.matches('input, select');
  if (inText) {
    if (key === 'Escape' || (key === 'Enter' && event.target === $('search'))) {
      event.preventDefault();
      grid.focusGrid();
    }
    return;
  }
  /* Buttons keep their own keys; everything else works from wherever the focus is. */
  if (event.target.matches('button') && (key === ' ' || key === 'Enter')) return;
  if (!state.open && !event.ctrlKey && !event.metaKey && !event.altKey && grid.move(key, event.shiftKey)) {
    event.preventDefault();
    if (event.target.matches('button')) grid.focusGrid();
    return;
  }
  const action = command(event, key);
  if (!action) return;
  event.preventDefault();
  action();
});

/* ---- buttons ---------------------------------------------------------------------------------------------------- */

function togglePanel(open) {
  $('panel').classList.toggle('open', open);
  $('menu').setAttribute('aria-expanded', $('panel').classList.contains('open'));
}
$('menu').addEventListener('click', () => togglePanel());
$('grid').addEventListener('pointerdown', () => togglePanel(false));
$('size').addEventListener('click', () => grid.resize(0));
$('accept').addEventListener('click', model.accept);
$('clear').addEventListener('click', () => model.label(null));
$('aside').addEventListener('click', model.setAside);
$('undo').addEventListener('click', model.undo);
$('redo').addEventListener('click', model.redo);
addEventListener('visibilitychange', () => document.hidden || model.poll());

/* ---- the beginning ---------------------------------------------------------------------------------------------- */

page.begin(() => {
  panel.drawAll();
  model.tell('pictures');
});
panel.drawAll();

async function begin() {
  try {
    await model.begin();
    performance.mark('hone-ready');
    if (!localStorage.getItem('hone-asked')) askWho();
    else grid.focusGrid();
  } catch {
    if (api.connection.state !== 'refused') setTimeout(begin, 1000);
  }
}
begin();
