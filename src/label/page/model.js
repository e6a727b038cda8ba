/* SPDX-License-Identifier: Apache-2.0
 *
 * What the page knows: the list of pictures in view, what is known of each, selection and focus, classes and their keys,
 * undo. Views listen; nothing here touches the document. */

import * as api from './api.js';
import { t } from './texts.js';

const undoLimit = 500, detailsAtOnce = 400;

export const state = {
  ids: [], pictures: new Map(), at: 0, anchor: 0, selection: new Set(), open: false,
  view: { queue: 'all', class: null, labelled: null, split: null, status: null, search: '' },
  summary: null, change: 0, keys: new Map(), who: localStorage.getItem('hone-who') || '', loaded: false,
};

const listeners = {};
export function on(event, listener) {
  (listeners[event] ||= []).push(listener);
}
export function tell(event, ...values) {
  for (const listener of listeners[event] || []) listener(...values);
}

export function setWho(who) {
  state.who = who.trim();
  localStorage.setItem('hone-who', state.who);
}

/* ---- classes ---------------------------------------------------------------------------------------------------- */

/* A class called by one letter or digit has that key; the others get digits, letters and capitals in their order. */
function assignKeys(classes) {
  const all = '1234567890abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  const keys = new Map(), own = new Set(classes.filter(({ name }) => name.length === 1 && all.includes(name)).map(({ name }) => name));
  const free = [...all].filter((key) => !own.has(key));
  for (const { name } of classes) {
    const key = own.has(name) ? name : free.shift();
    if (key) keys.set(key, name);
  }
  return keys;
}

export function keyOf(name) {
  for (const [key, value] of state.keys) if (value === name) return key;
  return '';
}

/* Colours far apart, the same one for a class from day to day: the golden angle by its place. */
export function hueOf(name) {
  const at = state.summary ? state.summary.classes.findIndex((one) => one.name === name) : -1;
  return Math.round((Math.max(at, 0) * 137.508 + 155) % 360);
}

function setSummary(summary) {
  const before = state.summary;
  state.summary = { ...before, ...summary };
  state.keys = assignKeys(state.summary.classes);
  if (before && before.generation !== summary.generation) for (const picture of state.pictures.values()) picture.stale = true;
  tell('summary');
}

/* ---- looking ---------------------------------------------------------------------------------------------------- */

let loading = 0;

export async function load(keepPlace = false) {
  const mine = ++loading, before = keepPlace ? state.ids[state.at] : null;
  const answer = await api.get('/api/pictures', state.view);
  if (mine !== loading) return; /* somebody asked for something else meanwhile */
  state.ids = answer.ids;
  state.loaded = true;
  const place = before === null ? 0 : state.ids.indexOf(before);
  state.at = state.anchor = Math.max(0, place < 0 ? Math.min(state.at, state.ids.length - 1) : place);
  if (!keepPlace) state.selection.clear();
  else state.selection = new Set([...state.selection].filter((id) => answer.ids.includes(id)));
  tell('list', !keepPlace);
}

export function setView(change) {
  Object.assign(state.view, change);
  tell('view');
  return load().catch(() => {});
}

const asked = new Set();

/* Sees to it that these are known; 'pictures' is told when they are. */
export async function need(ids) {
  const missing = ids.filter((id) => !asked.has(id) && (!state.pictures.has(id) || state.pictures.get(id).stale));
  for (let i = 0; i < missing.length; i += detailsAtOnce) {
    const part = missing.slice(i, i + detailsAtOnce);
    for (const id of part) asked.add(id);
    try {
      const answer = await api.get('/api/details', { ids: part.join(',') });
      const waiting = api.waitingIds();
      for (const picture of answer.pictures) learn(picture, waiting);
    } catch { /* the next change asks again */
    } finally {
      for (const id of part) asked.delete(id);
    }
  }
  if (missing.length > 0) tell('pictures');
}

function learn(picture, waiting) {
  const old = state.pictures.get(picture.id);
  if (old && waiting.has(picture.id)) picture = { ...picture, label: old.label, status: old.status };
  state.pictures.set(picture.id, picture);
}

export function focused() {
  return state.ids[state.at];
}

/* What a key acts on: the selection, else the picture with the focus. */
export function targets() {
  if (state.open || state.selection.size === 0) return state.ids.length > 0 ? [focused()] : [];
  return state.ids.filter((id) => state.selection.has(id));
}

export function moveTo(at, extend = false) {
  if (state.ids.length === 0) return;
  state.at = Math.max(0, Math.min(at, state.ids.length - 1));
  if (extend) selectRange(state.anchor, state.at);
  else state.anchor = state.at;
  tell('focus');
}

function selectRange(from, to) {
  state.selection.clear();
  for (let i = Math.min(from, to); i <= Math.max(from, to); i++) state.selection.add(state.ids[i]);
  tell('selection');
}

export function toggle(id) {
  if (!state.selection.delete(id)) state.selection.add(id);
  tell('selection');
}

export function select(ids) {
  state.selection = new Set(ids);
  tell('selection');
}

/* ---- changing --------------------------------------------------------------------------------------------------- */

function stack(name) {
  const key = `hone-${name}:${location.port}`;
  let items = [];
  try {
    items = JSON.parse(sessionStorage.getItem(key)) || [];
  } catch { /* damaged: begin anew */ }
  const keep = () => sessionStorage.setItem(key, JSON.stringify(items));
  return {
    push(item) { items.push(item); items = items.slice(-undoLimit); keep(); },
    pop() { const item = items.pop(); keep(); return item; },
    clear() { items = []; keep(); },
    get size() { return items.length; },
  };
}

const undoStack = stack('undo'), redoStack = stack('redo');
let undoWaits = 0, redoWaits = 0; /* labels and undos on their way count, too */

export const canUndo = () => undoStack.size + undoWaits > 0;
export const canRedo = () => redoStack.size + redoWaits > 0;

/* Shows it at once, sends it, and moves on as a person goes through a list. */
function change(ids, values, body, message) {
  if (ids.length === 0) return;
  for (const id of ids) {
    const picture = state.pictures.get(id);
    if (picture) Object.assign(picture, values);
  }
  undoWaits++;
  redoStack.clear();
  api.post('/api/label', { ids, who: state.who, seen: state.change, ...body }, { kind: 'do' });
  if (ids.length > 1) tell('toast', message);
  const alone = ids.length === 1 && ids[0] === focused();
  if (state.selection.size > 0 && !state.open) select([]);
  tell('pictures');
  if (alone && state.at + 1 < state.ids.length) moveTo(state.at + 1);
}

export function label(name) {
  const ids = targets();
  change(ids, { label: name }, { label: name }, name === null ? t('unlabelled', { count: ids.length }) : t('labelledAs', { count: ids.length, label: name }));
}

/* Each to its own suggestion: one change per class that is suggested. */
export function accept() {
  const groups = new Map();
  for (const id of targets()) {
    const guess = state.pictures.get(id)?.suggestion;
    if (guess) groups.set(guess, [...(groups.get(guess) || []), id]);
  }
  for (const [name, ids] of groups) change(ids, { label: name }, { label: name }, t('labelledAs', { count: ids.length, label: name }));
}

export function setAside() {
  const ids = targets();
  if (ids.length === 0) return;
  const status = ids.every((id) => state.pictures.get(id)?.status === 'quarantined') ? 'ok' : 'quarantined';
  change(ids, { status }, { status }, t(status === 'ok' ? 'takenBack' : 'setAsideDone', { count: ids.length }));
}

export function undo() {
  if (!canUndo()) return tell('toast', t('nothingToUndo'));
  api.post('/api/revert', { who: state.who }, { kind: 'undo' });
}

export function redo() {
  if (!canRedo()) return tell('toast', t('nothingToRedo'));
  api.post('/api/revert', { who: state.who }, { kind: 'redo' });
}

/* Which change is taken back is known when those before it have been answered. */
for (const [kind, from] of [['undo', undoStack], ['redo', redoStack]])
  api.prepare(kind, (entry) => {
    entry.body.change ||= from.pop();
    return Boolean(entry.body.change);
  });

export function addClass(name) {
  name = name.trim();
  if (!name) return;
  api.post('/api/class', { name }, { kind: 'class' });
}

api.on('sent', (entry, answer) => {
  const kind = entry.note?.kind;
  if (kind === 'do') {
    undoWaits = Math.max(0, undoWaits - 1);
    if (answer.change) undoStack.push(answer.change);
    const others = answer.conflicts || [];
    if (others.length === 1) tell('toast', t('conflict', { who: others[0].who, path: others[0].path, label: others[0].label ?? t('noLabel') }), 'warn');
    if (others.length > 1) tell('toast', t('conflicts', { who: others[0].who, count: others.length }), 'warn');
  } else if (kind === 'undo' || kind === 'redo') {
    if (answer.change) (kind === 'undo' ? redoStack : undoStack).push(answer.change);
    tell('toast', answer.left_alone ? t('leftAlone', { count: answer.left_alone }) : t(kind === 'undo' ? 'undone' : 'redone'));
  }
  if (api.waiting() === 0) poll();
});
api.on('failed', (entry, why) => {
  if (entry.note?.kind === 'do') undoWaits = Math.max(0, undoWaits - 1);
  for (const id of entry.body.ids || []) if (state.pictures.has(id)) state.pictures.get(id).stale = true;
  tell('toast', t('failed', { why }), 'bad');
  tell('pictures');
});

/* ---- what others do --------------------------------------------------------------------------------------------- */

const calm = 1500, lively = 500; /* milliseconds between two questions */
let timer = 0, polling = false;

export async function poll() {
  clearTimeout(timer);
  if (polling) return;
  polling = true;
  try {
    const answer = await api.get('/api/changes', { since: state.change, who: state.who });
    const waiting = api.waitingIds(), watched = new Set([...state.selection, focused()]);
    for (const picture of answer.changed) {
      const old = state.pictures.get(picture.id);
      if (old && watched.has(picture.id) && picture.by !== state.who && picture.label !== old.label && !waiting.has(picture.id))
        tell('toast', t('otherChanged', { who: picture.by, path: picture.path, label: picture.label ?? t('noLabel') }), 'warn');
      learn(picture, waiting);
    }
    const again = answer.reload, changed = answer.changed.length > 0, older = state.summary?.generation;
    delete answer.changed;
    state.change = answer.change;
    setSummary(answer);
    if (again) {
      for (const picture of state.pictures.values()) picture.stale = true;
      await load(true);
    }
    if (changed || again || older !== answer.generation) tell('pictures');
  } catch { /* api has told; the next time */
  } finally {
    polling = false;
    const busy = state.summary && ['reading', 'training'].includes(state.summary.learner.state);
    timer = setTimeout(poll, document.hidden ? 4 * calm : busy || api.connection.state !== 'ok' ? lively : calm);
  }
}

export async function begin() {
  const summary = await api.get('/api/state', { who: state.who });
  state.change = summary.change;
  setSummary(summary);
  await load();
  api.resume();
  poll();
}
