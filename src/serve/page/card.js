/* SPDX-License-Identifier: Apache-2.0
 *
 * The model card: what the model is, what it was trained on and how well it did, as its file records it. */

import { number, percent, t } from './texts.js';

const mostNames = 12;

function fact(term, value, className = '', isCode = false) {
  const row = document.createElement('div'), dt = document.createElement('dt'), dd = document.createElement('dd');
  row.className = className;
  dt.textContent = term;
  if (isCode) {
    const code = document.createElement('code');
    code.textContent = value;
    dd.append(code);
  } else {
    dd.textContent = value;
  }
  row.append(dt, dd);
  return row;
}

function score(result) {
  if (!result) return null;
  const accuracy = percent(result.accuracy, 2);
  if (!result.samples || result.low === undefined) return accuracy;
  return t('testedValue', { accuracy, samples: result.samples, low: percent(result.low, 2), high: percent(result.high, 2) });
}

function classList(classes) {
  if (classes.length <= mostNames) return classes.join(', ');
  return t('moreClasses', { list: classes.slice(0, mostNames).join(', '), count: classes.length });
}

export function drawCard(model) {
  const list = document.getElementById('card-facts');
  if (!model) {
    list.replaceChildren();
    return;
  }
  const { height, width, channels } = model.input, made = model.provenance ?? {}, facts = [];
  facts.push(fact(t('model'), t('versions', { name: model.name, list: model.versions.join(', ') })));
  facts.push(fact(t('inputFact'), `${height} × ${width}, ${t(channels === 1 ? 'grey' : 'colour')}`));
  facts.push(fact(t('parameters'), number(model.parameters)));
  facts.push(fact(t('tested'), score(model.test) ?? t('unrecorded')));
  if (model.validation) facts.push(fact(t('validated'), score(model.validation)));
  facts.push(fact(t('trainedOn'), made.source ? (made.samples ? t('trainedValue', { source: made.source, samples: made.samples }) : made.source) : t('unrecorded')));
  facts.push(fact(t('calibration'), model.temperature === 1 ? t('uncalibrated') : t('calibrated', { value: number(model.temperature, 3) })));
  facts.push(fact(t('rejection'), model.rejection ? t('rejectionValue', { score: model.rejection.score, tpr: percent(model.rejection.tpr) }) : t('noRejection')));
  if (made.program) facts.push(fact(t('madeBy'), `${made.program} ${made.version ?? ''}`));
  if (Number.isFinite(made.seed)) facts.push(fact(t('seed'), String(made.seed)));
  facts.push(fact(t('classes'), classList(model.classes), 'wide'));
  if (made.command) facts.push(fact(t('command'), made.command, 'wide', true));
  if (made.sha256) facts.push(fact(t('dataHash'), made.sha256, 'wide', true));
  list.replaceChildren(...facts);
}
