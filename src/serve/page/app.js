/* SPDX-License-Identifier: Apache-2.0
 *
 * The beginning: which models there are, what goes in, and one thread from a changed picture to a shown answer. */

import * as card from './card.js';
import * as draw from './draw.js';
import { digitOfPicture, digitOfStrokes, showGrey } from './digit.js';
import { begin } from './page.js';
import * as photo from './photo.js';
import * as result from './result.js';
import * as server from './server.js';
import * as teach from './teach.js';
import { t } from './texts.js';

const $ = (id) => document.getElementById(id);
const neighbours = 6, retryStart = 2000;
const state = { about: null, model: null, tab: 'draw', heat: false };

/* ---- what goes in -------------------------------------------------------------------------------------------------- */

function isGrey() {
  return state.model.input.channels === 1;
}

/* Classes of one character each are written, so a photo of them is ink on paper. */
function isWritten() {
  return isGrey() && state.model.classes.every((name) => [...name].length === 1);
}

function pngOf(grey, width, height) {
  const canvas = document.createElement('canvas');
  showGrey(canvas, grey, width, height);
  return new Promise((done) => canvas.toBlob(done, 'image/png'));
}

/* The picture as it is sent, and shows it as the network will see it; null: there is none. */
async function picture() {
  const { width, height } = state.model.input, canvas = $('seen-picture');
  if (state.tab === 'draw') {
    const grey = digitOfStrokes(draw.currentStrokes(), width, height);
    if (!grey) return null;
    showGrey(canvas, grey, width, height);
    return pngOf(grey, width, height);
  }
  const taken = photo.currentPhoto();
  if (!taken) return null;
  const grey = !$('prepare-row').hidden && $('prepare').checked ? digitOfPicture(taken.bitmap, taken.bitmap.width, taken.bitmap.height, width, height) : null;
  if (grey) {
    showGrey(canvas, grey, width, height);
    return pngOf(grey, width, height);
  }
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  if (isGrey()) context.filter = 'grayscale(1)';
  context.drawImage(taken.bitmap, 0, 0, width, height);
  return taken.blob;
}

function isEmpty() {
  return state.tab === 'draw' ? draw.currentStrokes().length === 0 : !photo.currentPhoto();
}

/* ---- asking -------------------------------------------------------------------------------------------------------- */

function trouble(error) {
  const words = {
    away: () => t('away'), busy: () => t('busy', { seconds: error.seconds }), large: () => t('tooLarge'), picture: () => t('notReadable', { why: error.message }),
    slow: () => t('tooSlow'), none: () => t('noModel'), token: () => t('tokenText'), other: () => t('failed', { why: error.message }),
  };
  $('trouble').textContent = words[error.kind]();
  $('trouble').hidden = false;
  if (error.kind === 'token') askToken();
}

function noTrouble() {
  $('trouble').hidden = true;
}

function address() {
  const wishes = new URLSearchParams({ model: state.model.name });
  if (state.model.heat_map && state.heat) wishes.set('heat_map', '1');
  if (state.model.nearest) wishes.set('nearest', String(neighbours));
  return `predict?${wishes}`;
}

function showEmpty() {
  server.forget();
  noTrouble();
  const canvas = $('seen-picture');
  canvas.width = state.model.input.width;
  canvas.height = state.model.input.height;
  result.showNothing(state.model.classes, t(state.tab === 'draw' ? 'idle' : 'idlePhoto'));
  teach.setVisible(false);
}

function changed() {
  if (!state.model) return;
  teach.reset();
  if (isEmpty()) {
    showEmpty();
    return;
  }
  const model = state.model;
  server.ask({
    make: async () => ({ path: address(), body: await picture() }),
    answered: (answer) => {
      if (answer.version !== model.version) reload(model, answer.version);
      if (model !== state.model || isEmpty()) return;
      noTrouble();
      result.show(answer, model.classes, state.heat);
      teach.setVisible(true);
    },
    failed: trouble,
  });
}

/* ---- models --------------------------------------------------------------------------------------------------------- */

function drawAbout() {
  const { about, model } = state;
  if (!model) return;
  $('name').textContent = about.models.length > 1 ? 'hone serve' : model.name;
  document.title = `${model.name} · hone serve`;
  $('models').hidden = about.models.length < 2;
  $('models').replaceChildren(...about.models.map((one) => new Option(one.name, one.name, false, one === model)));
  $('version').textContent = `hone ${about.version}`;
  $('seen-text').textContent = t('seen', { width: model.input.width, height: model.input.height });
  $('heat-toggle').hidden = !model.heat_map;
  $('heat-toggle').textContent = t('heat');
  $('heat-toggle').setAttribute('aria-pressed', state.heat);
  $('pad').setAttribute('aria-label', t('padLabel'));
  $('pad-hint').textContent = t(model.classes.every((name) => /^[0-9]$/.test(name)) ? 'padHint' : 'padHintOther');
  card.drawCard(model);
  teach.setUp({ model: model.name, on: about.feedback !== null || model.teachable, picture, taught: changed }, model.classes);
}

function setTab(tab) {
  state.tab = tab;
  for (const name of ['draw', 'photo']) {
    const chosen = name === tab;
    $(`tab-${name}`).setAttribute('aria-selected', chosen);
    $(`tab-${name}`).tabIndex = chosen ? 0 : -1;
    $(name).hidden = !chosen;
  }
  changed();
}

function setModel(model) {
  state.model = model;
  $('tabs').hidden = !isGrey(); /* who paints in colours has a program for it */
  $('prepare-row').hidden = !isWritten();
  photo.setLimit(state.about.max_body);
  result.forgetPictures();
  drawAbout();
  setTab(isGrey() ? state.tab : 'photo');
}

/* The server has taken up a new version of the model: the card tells of that one. */
async function reload(model, version) {
  model.version = version; /* once for each */
  try {
    const about = await server.call('api/ui/model'), news = about.models.find((one) => one.name === model.name);
    if (!news || model !== state.model) return;
    state.about = about;
    result.forgetPictures();
    const sameInput = JSON.stringify(news.input) === JSON.stringify(model.input);
    if (sameInput) {
      state.model = news;
      drawAbout();
    } else {
      setModel(news);
    }
    changed();
  } catch (error) {
    if (!(error instanceof server.Trouble)) throw error; /* the next answer will tell again what is wrong */
  }
}

async function load() {
  try {
    state.about = await server.call('api/ui/model');
    noTrouble();
    const { models } = state.about;
    if (!models.length) throw new server.Trouble('none', '');
    const wish = decodeURIComponent(location.hash.slice(1));
    setModel(models.find((model) => model.name === wish) ?? models[0]);
    performance.mark('hone-ready');
  } catch (error) {
    if (!(error instanceof server.Trouble)) throw error;
    trouble(error);
    if (error.kind !== 'token') setTimeout(load, retryStart);
  }
}

/* ---- the token ------------------------------------------------------------------------------------------------------- */

function askToken() {
  if ($('token-dialog').open) return;
  $('token').value = '';
  $('token-dialog').showModal();
}
$('token-dialog').addEventListener('close', () => {
  server.setToken($('token').value.trim());
  if (state.about) changed();
  else load();
});

/* ---- the beginning --------------------------------------------------------------------------------------------------- */

for (const name of ['draw', 'photo']) $(`tab-${name}`).addEventListener('click', () => setTab(name));
$('tabs').addEventListener('keydown', (event) => {
  if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
  const other = state.tab === 'draw' ? 'photo' : 'draw';
  setTab(other);
  $(`tab-${other}`).focus();
});
$('models').addEventListener('change', () => {
  const model = state.about.models.find((one) => one.name === $('models').value);
  history.replaceState(null, '', `#${encodeURIComponent(model.name)}`);
  setModel(model);
});
$('heat-toggle').addEventListener('click', () => {
  state.heat = !state.heat;
  $('heat-toggle').setAttribute('aria-pressed', state.heat);
  changed();
});
$('prepare').addEventListener('change', changed);

begin(() => {
  drawAbout();
  draw.redraw();
  if (!state.model) return;
  if (isEmpty()) showEmpty();
  else result.redraw();
});
draw.start(changed, result.announce);
photo.start(() => (state.tab === 'photo' ? changed() : setTab('photo')), (words) => {
  $('trouble').textContent = words;
  $('trouble').hidden = false;
});
load();
