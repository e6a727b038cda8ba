/* SPDX-License-Identifier: Apache-2.0
 *
 * One picture, as large as it goes: zoom about the pointer, drag, pinch, swipe to the neighbours. */

import * as model from './model.js';
import { state } from './model.js';
import * as api from './api.js';
import { focusGrid } from './grid.js';
import { number, percent, t } from './texts.js';

const single = document.getElementById('single'), stage = document.getElementById('stage'), whole = document.getElementById('whole');
const facts = document.getElementById('facts'), zoomValue = document.getElementById('zoom-value');
const largest = 40, swipe = 60, crispFrom = 2;

let scale = 1, x = 0, y = 0, fitted = true, shown = null, about = null;

function place() {
  whole.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
  whole.classList.toggle('crisp', scale >= crispFrom);
  zoomValue.textContent = percent(scale);
}

function fitScale() {
  return Math.min(stage.clientWidth * 0.96 / whole.naturalWidth, stage.clientHeight * 0.94 / whole.naturalHeight, largest);
}

export function fit() {
  if (!whole.naturalWidth) return;
  fitted = true;
  scale = fitScale();
  x = (stage.clientWidth - whole.naturalWidth * scale) / 2;
  y = (stage.clientHeight - whole.naturalHeight * scale) / 2;
  place();
}

/* The point of the picture that is under (px, py) stays there. */
export function zoom(factor, px = stage.clientWidth / 2, py = stage.clientHeight / 2) {
  if (!whole.naturalWidth) return;
  const next = Math.max(fitScale() / 4, Math.min(largest, scale * factor));
  x = px - (px - x) * next / scale;
  y = py - (py - y) * next / scale;
  scale = next;
  fitted = false;
  place();
}

function fact(name, ...value) {
  const node = document.createElement('span'), strong = document.createElement('b');
  node.className = 'fact';
  strong.append(...value);
  node.append(`${name} `, strong);
  return node;
}

function describe() {
  const picture = state.pictures.get(model.focused());
  if (!picture) return facts.replaceChildren();
  const path = document.createElement('span');
  path.className = 'path';
  path.textContent = picture.path;
  const parts = [path, fact(t('fact_label'), picture.label ?? t('noLabel'))];
  if (picture.suggestion) parts.push(fact(t('fact_suggestion'), `${picture.suggestion} ${percent(picture.confidence)}`));
  if (about?.id === picture.id && about.found_label) parts.push(fact(t('fact_found'), `${about.found_label} ${percent(about.found_confidence)}`));
  if (picture.split) parts.push(fact(t('fact_split'), picture.split));
  if (picture.status !== 'ok') parts.push(fact(t('fact_status'), t(picture.status)));
  if (picture.width) parts.push(fact(t('fact_size'), `${number(picture.width)} × ${number(picture.height)}`));
  parts.push(fact('', t('of', { at: state.at + 1, all: state.ids.length })));
  if (about?.id === picture.id && about.history.length > 0) {
    const list = document.createElement('ol');
    for (const entry of about.history.slice(0, 6)) {
      const item = document.createElement('li');
      item.textContent = `${new Date(entry.when * 1000).toLocaleString(document.documentElement.lang)} · ${t('history_label', { who: entry.who, from: entry.from ?? '∅', to: entry.to ?? '∅' })}`;
      list.append(item);
    }
    parts.push(list);
  }
  facts.replaceChildren(...parts);
}

async function askAbout(id) {
  try {
    const answer = await api.get(`/api/picture/${id}`);
    if (id !== model.focused()) return;
    about = answer;
    describe();
  } catch { /* the facts of the grid remain */ }
}

function update() {
  if (!state.open) return;
  const id = model.focused(), picture = state.pictures.get(id);
  if (!picture) return void model.need([id]);
  const key = `${id} ${picture.tag}`;
  if (shown !== key) {
    shown = key;
    whole.src = `/picture/${id}?tag=${picture.tag}`;
    whole.alt = t('option', { path: picture.path, label: picture.label ?? t('noLabel') });
    for (const near of [state.at + 1, state.at - 1]) { /* the neighbours are wanted next */
      const other = state.pictures.get(state.ids[near]);
      if (other) new Image().src = `/picture/${other.id}?tag=${other.tag}`;
    }
    model.need(state.ids.slice(Math.max(0, state.at - 4), state.at + 8));
  }
  if (about?.id !== id || about.change !== picture.change) askAbout(id);
  describe();
}

export function open() {
  if (state.ids.length === 0) return;
  state.open = true;
  single.hidden = false;
  single.focus({ preventScroll: true });
  shown = null;
  update();
}

export function close() {
  state.open = false;
  single.hidden = true;
  whole.removeAttribute('src');
  model.tell('focus');
  focusGrid();
}

whole.addEventListener('load', fit);
new ResizeObserver(() => fitted && fit()).observe(stage);
document.getElementById('zoom-in').addEventListener('click', () => zoom(1.4));
document.getElementById('zoom-out').addEventListener('click', () => zoom(1 / 1.4));
document.getElementById('close').addEventListener('click', close);
document.getElementById('previous').addEventListener('click', () => model.moveTo(state.at - 1));
document.getElementById('next').addEventListener('click', () => model.moveTo(state.at + 1));

const pointers = new Map();
let started = null;

function local(event) {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

stage.addEventListener('wheel', (event) => {
  event.preventDefault();
  const at = local(event);
  zoom(Math.exp(-event.deltaY * 0.0016), at.x, at.y);
}, { passive: false });
stage.addEventListener('dblclick', (event) => {
  const at = local(event);
  if (fitted) zoom(3, at.x, at.y);
  else fit();
});
stage.addEventListener('pointerdown', (event) => {
  stage.setPointerCapture(event.pointerId);
  stage.classList.add('held');
  pointers.set(event.pointerId, local(event));
  if (pointers.size === 1) started = { at: local(event), fitted };
});
stage.addEventListener('pointermove', (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = local(event);
  if (pointers.size === 2) {
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, value]) => value);
    const spread = Math.hypot(now.x - other.x, now.y - other.y), was = Math.hypot(before.x - other.x, before.y - other.y);
    started = null;
    if (was > 0) zoom(spread / was, (now.x + other.x) / 2, (now.y + other.y) / 2);
  } else if (event.pointerType !== 'touch' || !fitted) {
    x += now.x - before.x;
    y += now.y - before.y;
    fitted = false;
    place();
  }
  pointers.set(event.pointerId, now);
});
function release(event) {
  const now = pointers.get(event.pointerId);
  pointers.delete(event.pointerId);
  if (pointers.size > 0) return;
  stage.classList.remove('held');
  if (!now || !started || !started.fitted || event.pointerType !== 'touch' || event.type === 'pointercancel') return;
  const moved = now.x - started.at.x;
  if (Math.abs(moved) > swipe && Math.abs(moved) > 2 * Math.abs(now.y - started.at.y)) model.moveTo(state.at + (moved < 0 ? 1 : -1));
}
stage.addEventListener('pointerup', release);
stage.addEventListener('pointercancel', release);

model.on('open', open);
for (const event of ['focus', 'pictures']) model.on(event, update);
model.on('list', () => state.open && (state.ids.length > 0 ? update() : close()));
