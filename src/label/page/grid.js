/* SPDX-License-Identifier: Apache-2.0
 *
 * The grid: as many cells as fit on the screen and a little more, moved to where they are needed, however many pictures
 * there are. One element has the keyboard's focus; it names the active cell (aria-activedescendant). */

import * as model from './model.js';
import { state } from './model.js';
import { connection, waitingIds } from './api.js';
import { percent, t } from './texts.js';

const sizes = [88, 124, 172, 240], gap = 6, captionHeight = 24, spareRows = 2, dragStart = 6, holdTime = 450;
const grid = document.getElementById('grid'), sheet = document.getElementById('sheet'), band = document.getElementById('band');

let size = Number(localStorage.getItem('hone-size') ?? (innerWidth < 761 ? 0 : 1));
let columns = 1, cellWidth = sizes[1], cellHeight = sizes[1], cells = [], drawn = false;

function layout() {
  const width = grid.clientWidth - gap;
  columns = Math.max(1, Math.floor(width / sizes[size]));
  cellWidth = Math.floor(width / columns);
  cellHeight = cellWidth + captionHeight;
  sheet.style.height = `${Math.ceil(state.ids.length / columns) * cellHeight + gap}px`;
}

function makeCell() {
  const cell = document.createElement('div');
  cell.className = 'cell';
  cell.setAttribute('role', 'option');
  cell.innerHTML = '<div class="frame"><img alt="" draggable="false" decoding="async"><div class="caption"></div><span class="tick" aria-hidden="true">✓</span></div>';
  const image = cell.querySelector('img');
  image.addEventListener('load', () => image.classList.toggle('small', image.naturalWidth < 80));
  sheet.append(cell);
  return cell;
}

function span(className, text) {
  const node = document.createElement('span');
  node.className = className;
  node.textContent = text;
  return node;
}

function dot(name) {
  const node = span('dot', '');
  node.style.setProperty('--hue', model.hueOf(name));
  return node;
}

function fillCaption(caption, picture) {
  const parts = [];
  if (picture?.label != null) {
    parts.push(dot(picture.label), span('name', picture.label));
    if (picture.suggestion && picture.suggestion !== picture.label) parts.push(span('sure differs', `${picture.suggestion} ${percent(picture.confidence)}`));
  } else if (picture?.suggestion) {
    parts.push(dot(picture.suggestion), span('guess', `${picture.suggestion}?`), span('sure', percent(picture.confidence)));
  }
  caption.replaceChildren(...parts);
}

function describe(picture) {
  if (!picture) return '';
  if (picture.label == null && picture.suggestion) return t('optionGuess', { path: picture.path, guess: picture.suggestion, percent: percent(picture.confidence) });
  return t('option', { path: picture.path, label: picture.label ?? t('noLabel') });
}

function fill(cell, at, pending) {
  const id = state.ids[at], picture = state.pictures.get(id);
  cell.style.width = `${cellWidth}px`;
  cell.style.height = `${cellHeight}px`;
  cell.style.transform = `translate(${gap / 2 + (at % columns) * cellWidth}px, ${gap / 2 + Math.floor(at / columns) * cellHeight}px)`;
  cell.hidden = false;
  cell.id = `cell-${at}`;
  cell.dataset.at = at;
  cell.dataset.id = id;
  const image = cell.querySelector('img'), source = picture ? `/thumb/${id}?tag=${picture.tag}` : '';
  if (cell.dataset.source !== source) {
    cell.dataset.source = source;
    if (source) image.src = source;
    else image.removeAttribute('src');
  }
  fillCaption(cell.querySelector('.caption'), picture);
  const focus = at === state.at, chosen = state.selection.has(id);
  cell.className = 'cell' + (focus ? ' focused' : '') + (chosen ? ' selected' : '') + (picture?.label == null ? ' none' : '') +
    (pending.has(id) ? ' pending' : '') + (picture?.status === 'quarantined' ? ' aside' : '');
  cell.setAttribute('aria-selected', chosen);
  cell.setAttribute('aria-posinset', at + 1);
  cell.setAttribute('aria-setsize', state.ids.length);
  cell.setAttribute('aria-label', describe(picture));
}

function draw() {
  drawn = false;
  if (grid.clientWidth === 0) return;
  const first = Math.max(0, Math.floor(grid.scrollTop / cellHeight) - spareRows) * columns;
  const rows = Math.ceil(grid.clientHeight / cellHeight) + 1 + 2 * spareRows;
  const last = Math.min(state.ids.length, first + rows * columns), count = rows * columns;
  while (cells.length < count) cells.push(makeCell());
  const used = new Set(), pending = waitingIds();
  for (let at = first; at < last; at++) {
    const cell = cells[at % cells.length];
    used.add(cell);
    fill(cell, at, pending);
  }
  for (const cell of cells) {
    if (used.has(cell)) continue;
    cell.hidden = true;
    cell.removeAttribute('id');
  }
  if (state.ids.length > 0 && state.at >= first && state.at < last) grid.setAttribute('aria-activedescendant', `cell-${state.at}`);
  else grid.removeAttribute('aria-activedescendant');
  if (connection.state === 'ok') model.need(state.ids.slice(first, last));
}

export function redraw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(draw);
}

function show(at) {
  const top = Math.floor(at / columns) * cellHeight;
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + cellHeight + gap > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + cellHeight + gap - grid.clientHeight;
}

export function resize(step) {
  size = step === 0 ? (size + 1) % sizes.length : Math.max(0, Math.min(sizes.length - 1, size + step));
  localStorage.setItem('hone-size', size);
  layout();
  show(state.at);
  redraw();
}

export function move(key, extend) {
  const page = Math.max(1, Math.floor(grid.clientHeight / cellHeight)) * columns;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page };
  if (key === 'Home') model.moveTo(0, extend);
  else if (key === 'End') model.moveTo(state.ids.length - 1, extend);
  else if (key in steps) {
    const to = state.at + steps[key];
    /* Up from the first row stays: jumping to the first picture would lose the column. */
    if (Math.abs(steps[key]) === columns && (to < 0 || to >= state.ids.length)) return true;
    model.moveTo(to, extend);
  } else return false;
  return true;
}

export function focusGrid() {
  grid.focus({ preventScroll: true });
}

/* ---- mouse and touch -------------------------------------------------------------------------------------------- */

let drag = null, hold = 0, choosing = false, touched = 0;

function point(event) {
  const box = grid.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top + grid.scrollTop };
}

function cellsIn(a, b) {
  const left = Math.max(0, Math.floor((Math.min(a.x, b.x) - gap / 2) / cellWidth)), right = Math.min(columns - 1, Math.floor((Math.max(a.x, b.x) - gap / 2) / cellWidth));
  const top = Math.max(0, Math.floor((Math.min(a.y, b.y) - gap / 2) / cellHeight)), bottom = Math.floor((Math.max(a.y, b.y) - gap / 2) / cellHeight);
  const ids = [];
  for (let row = top; row <= bottom; row++)
    for (let column = left; column <= right; column++) {
      const at = row * columns + column;
      if (at < state.ids.length) ids.push(state.ids[at]);
    }
  return ids;
}

function cellOf(event) {
  const cell = event.target.closest('.cell');
  return cell ? Number(cell.dataset.at) : -1;
}

grid.addEventListener('pointerdown', (event) => {
  if (event.button !== 0) return;
  touched = event.pointerType === 'touch' ? performance.now() : 0;
  if (touched) {
    const at = cellOf(event);
    clearTimeout(hold);
    hold = setTimeout(() => { /* a long touch begins to choose several */
      if (at < 0) return;
      choosing = true;
      touched = -1;
      model.moveTo(at);
      model.toggle(state.ids[at]);
    }, holdTime);
    return;
  }
  if (event.offsetX > grid.clientWidth && event.target === grid) return; /* the scroll bar */
  drag = { from: point(event), active: false, before: event.ctrlKey || event.metaKey ? [...state.selection] : [] };
});
grid.addEventListener('pointermove', (event) => {
  if (!drag) return;
  const to = point(event);
  if (!drag.active && Math.hypot(to.x - drag.from.x, to.y - drag.from.y) < dragStart) return;
  if (!drag.active) grid.setPointerCapture(event.pointerId);
  drag.active = true;
  band.hidden = false;
  band.style.left = `${Math.min(to.x, drag.from.x)}px`;
  band.style.top = `${Math.min(to.y, drag.from.y)}px`;
  band.style.width = `${Math.abs(to.x - drag.from.x)}px`;
  band.style.height = `${Math.abs(to.y - drag.from.y)}px`;
  if (to.y > grid.scrollTop + grid.clientHeight - 20) grid.scrollTop += 18;
  if (to.y < grid.scrollTop + 20) grid.scrollTop -= 18;
  model.select([...drag.before, ...cellsIn(drag.from, to)]);
});
function endDrag() {
  clearTimeout(hold);
  band.hidden = true;
  if (drag?.active) setTimeout(() => { drag = null; });
  else drag = null;
}
grid.addEventListener('pointerup', endDrag);
grid.addEventListener('pointercancel', endDrag);
grid.addEventListener('scroll', () => {
  clearTimeout(hold);
  redraw();
}, { passive: true });
grid.addEventListener('contextmenu', (event) => {
  if (touched) event.preventDefault();
});
grid.addEventListener('click', (event) => {
  if (drag?.active) return;
  const at = cellOf(event);
  if (at < 0) return model.select([]);
  if (touched < 0) { /* the end of a long touch */
    touched = 0;
    return;
  }
  if (touched > 0) {
    if (choosing && state.selection.size > 0) {
      model.moveTo(at);
      model.toggle(state.ids[at]);
    } else {
      choosing = false;
      model.moveTo(at);
      model.tell('open');
    }
    return;
  }
  if (event.shiftKey) model.moveTo(at, true);
  else if (event.ctrlKey || event.metaKey) {
    model.moveTo(at);
    model.toggle(state.ids[at]);
  } else {
    model.select([]);
    model.moveTo(at);
  }
});
grid.addEventListener('dblclick', () => {
  if (state.ids.length > 0) model.tell('open');
});

new ResizeObserver(() => {
  layout();
  redraw();
}).observe(grid);

model.on('list', (fresh) => {
  layout();
  if (fresh) grid.scrollTop = 0;
  else show(state.at);
  redraw();
});
model.on('focus', () => {
  show(state.at);
  redraw();
});
for (const event of ['pictures', 'selection', 'summary']) model.on(event, redraw);
