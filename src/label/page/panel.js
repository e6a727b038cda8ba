/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything around the pictures: queues, progress, classes, filters, the learner, what is saved. */

import * as model from './model.js';
import { state } from './model.js';
import * as api from './api.js';
import { percent, t } from './texts.js';

export const queueNames = ['all', 'unlabelled', 'uncertain', 'border', 'suspicious', 'disagree'];
const $ = (id) => document.getElementById(id);
const toastTime = 4500, warningTime = 8000, mostToasts = 3;

export function toast(text, kind = '') {
  const node = document.createElement('div');
  node.className = `toast ${kind}`;
  node.textContent = text;
  $('toasts').append(node);
  while ($('toasts').children.length > mostToasts) $('toasts').firstChild.remove();
  setTimeout(() => node.remove(), kind ? warningTime : toastTime);
}

/* ---- queues and filters ----------------------------------------------------------------------------------------- */

function drawQueues() {
  $('queues').replaceChildren(...queueNames.map((name) => {
    const button = document.createElement('button');
    button.textContent = t(`queue_${name}`);
    button.title = t(`hint_${name}`);
    button.dataset.queue = name;
    button.setAttribute('aria-pressed', state.view.queue === name);
    button.addEventListener('click', () => model.setView({ queue: name }));
    return button;
  }));
  $('queues').querySelector('[aria-pressed="true"]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

export function stepQueue(step) {
  const at = queueNames.indexOf(state.view.queue);
  model.setView({ queue: queueNames[(at + step + queueNames.length) % queueNames.length] });
}

function fillSelect(node, choices, value) {
  node.replaceChildren(...choices.map(([key, text]) => new Option(text, key, false, key === (value ?? ''))));
}

function drawFilters() {
  fillSelect($('labelled'), [['', t('any')], ['yes', t('withLabel')], ['no', t('withoutLabel')]], state.view.labelled);
  const splits = state.summary?.splits || [];
  fillSelect($('split'), [['', t('any')], ...splits.map((name) => [name, name])], state.view.split);
  fillSelect($('status'), [['', t('ok')], ['quarantined', t('quarantined')]], state.view.status);
  $('filter-none').hidden = !state.view.class;
}

function drawEmpty() {
  const empty = state.loaded && state.ids.length === 0;
  $('empty').hidden = !empty;
  if (!empty) return;
  const v = state.view, plain = !v.class && !v.labelled && !v.split && !v.status && !v.search && v.queue !== 'all';
  $('empty-text').textContent = plain ? t(`empty_${v.queue}`) : t('emptyAll');
}

for (const name of ['labelled', 'split', 'status']) $(name).addEventListener('change', () => model.setView({ [name]: $(name).value || null }));
$('filter-none').addEventListener('click', () => model.setView({ class: null }));
$('empty-all').addEventListener('click', () => {
  $('search').value = '';
  model.setView({ queue: 'all', class: null, labelled: null, split: null, status: null, search: '' });
});
let typing = 0;
$('search').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => model.setView({ search: $('search').value }), 160);
});

/* ---- classes ---------------------------------------------------------------------------------------------------- */

function kbd(key) {
  const node = document.createElement('kbd');
  node.textContent = key;
  return node;
}

function part(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function dot(name) {
  const node = part('span', 'dot', '');
  node.style.setProperty('--hue', model.hueOf(name));
  return node;
}

/* Rows are kept and filled anew, so that what has the focus keeps it while counts change. */
function drawClasses() {
  const list = $('classes'), classes = state.summary.classes;
  while (list.children.length > classes.length) list.lastChild.remove();
  while (list.children.length < classes.length) {
    const row = document.createElement('li'), assign = part('button', 'assign', ''), only = part('button', 'only', '⊙');
    assign.addEventListener('click', () => model.label(row.dataset.name));
    only.addEventListener('click', () => model.setView({ class: state.view.class === row.dataset.name ? null : row.dataset.name }));
    row.append(assign, only);
    list.append(row);
  }
  classes.forEach(({ name, count }, i) => {
    const row = list.children[i], [assign, only] = row.children, key = model.keyOf(name);
    row.dataset.name = name;
    row.classList.toggle('filtered', state.view.class === name);
    assign.setAttribute('aria-label', t('assign', { name }));
    if (key) assign.setAttribute('aria-keyshortcuts', key.length === 1 && key !== key.toLowerCase() ? `Shift+${key}` : key);
    assign.replaceChildren(kbd(key || '·'), dot(name), part('span', 'name', name), part('span', 'count', count.toLocaleString()));
    only.title = t('only', { name });
    only.setAttribute('aria-label', only.title);
    only.setAttribute('aria-pressed', state.view.class === name);
  });
}

/* On a phone the classes are where the thumb is. Chips stay what they are under a finger: only what changed is changed. */
function drawChips() {
  const names = state.summary.classes.map(({ name }) => name), current = state.pictures.get(model.focused())?.label, chips = $('chips');
  if (chips.children.length !== names.length || names.some((name, i) => chips.children[i].dataset.name !== name))
    chips.replaceChildren(...names.map((name) => {
      const chip = document.createElement('button');
      chip.dataset.name = name;
      chip.append(dot(name), name);
      chip.addEventListener('click', () => model.label(name));
      return chip;
    }));
  for (const chip of chips.children) chip.classList.toggle('current', chip.dataset.name === current);
}

$('class-form').addEventListener('submit', (event) => {
  event.preventDefault();
  model.addClass($('class-name').value);
  $('class-name').value = '';
});

/* ---- progress, learner, people ---------------------------------------------------------------------------------- */

function drawProgress() {
  const { labelled, pictures } = state.summary;
  $('progress-bar').value = pictures > 0 ? labelled / pictures : 0;
  $('progress-percent').textContent = percent(pictures > 0 ? Math.floor(labelled / pictures * 1000) / 1000 : 0, labelled < pictures ? 1 : 0);
  $('progress-count').textContent = t('progressCount', { done: labelled, all: pictures });
}

function learnerText(learner) {
  if (learner.state === 'failed') return t('learner_failed', { why: learner.message });
  if (learner.state === 'reading') return t('learner_reading');
  if (learner.state === 'training') return t(learner.given ? 'learner_asking' : 'learner_training');
  const accuracy = learner.accuracy === undefined ? '' : t('accuracy', {
    percent: percent(learner.accuracy), low: percent(learner.accuracy_interval[0]), high: percent(learner.accuracy_interval[1]) });
  if (learner.given) return t('learner_given') + accuracy;
  if (!learner.learns) return t('learner_off');
  if (learner.rounds === 0) return t('learner_wanted', { count: learner.wanted });
  return t('learner_again', { trained: learner.trained_on, count: learner.wanted }) + accuracy;
}

function drawLearner() {
  const learner = state.summary.learner, busy = ['reading', 'training'].includes(learner.state);
  const text = learnerText(learner);
  if ($('learner-text').textContent !== text) $('learner-text').textContent = text;
  $('learner-bar').hidden = !busy;
  $('learner-bar').value = learner.progress;
  $('train').disabled = busy;
}

$('train').addEventListener('click', () => api.post('/api/train', {}, { kind: 'train' }));

function drawPeople() {
  $('people').replaceChildren(...state.summary.people.map((name) => {
    const node = part('span', 'person', [...name][0].toUpperCase());
    node.title = name;
    node.setAttribute('aria-label', name);
    node.setAttribute('role', 'img');
    let hue = 0;
    for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
    node.style.setProperty('--hue', hue);
    return node;
  }));
}

/* ---- what is saved ---------------------------------------------------------------------------------------------- */

function drawSaved() {
  const count = api.waiting(), node = $('saved'), { state: connection } = api.connection;
  const text = connection === 'refused' ? t('refused', { count }) : connection === 'away' ? (count > 0 ? t('away', { count }) : t('awayIdle')) : count > 0 ? t('saving', { count }) : t('saved');
  if (node.textContent !== text) node.textContent = text;
  node.className = connection !== 'ok' ? 'away' : count > 0 ? 'busy' : '';
  $('undo').disabled = !model.canUndo();
  $('redo').disabled = !model.canRedo();
}

function drawSelected() {
  $('selected').textContent = state.selection.size > 0 ? t('selected', { count: state.selection.size }) : '';
  $('accept').disabled = !model.targets().some((id) => state.pictures.get(id)?.suggestion);
}

export function drawAll() {
  drawQueues();
  drawFilters();
  drawEmpty();
  drawSaved();
  if (!state.summary) return;
  drawSummary();
}

function drawSummary() {
  $('data-name').textContent = state.summary.name;
  document.title = `${state.summary.name} · hone label`;
  drawClasses();
  drawChips();
  drawProgress();
  drawLearner();
  drawPeople();
  drawSelected();
}

let splits = '';
model.on('summary', () => {
  drawSummary();
  if (splits !== state.summary.splits.join()) drawFilters();
  splits = state.summary.splits.join();
});
model.on('view', () => {
  drawQueues();
  drawFilters();
  if (state.summary) drawClasses();
});
model.on('list', drawEmpty);
for (const event of ['list', 'selection', 'pictures', 'focus']) model.on(event, () => state.summary && (drawSelected(), drawChips()));
model.on('toast', toast);
api.on('status', drawSaved);
