/* SPDX-License-Identifier: Apache-2.0
 *
 * What every page of hone does the same: two languages, two themes, both as the browser prefers until somebody chooses.
 * What is chosen is kept in this browser. */

const $ = (id) => document.getElementById(id);
let words = {};

/* A browser that keeps nothing (a private window, a policy) still shows the page. */
function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch { /* it is asked again next time */ }
}

/* ---- languages -------------------------------------------------------------------------------------------------- */

let language = kept('hone-language') || (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en');

/* Every word of a page, {en: {key: text}, zh: {…}}. */
export function define(texts) {
  words = texts;
}

export function currentLanguage() {
  return language;
}

export function setLanguage(wish) {
  language = wish;
  keep('hone-language', wish);
  applyTexts();
}

export function number(value, digits) {
  return value.toLocaleString(language, digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(value, digits = 0) {
  return value.toLocaleString(language, { style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function t(key, values = {}) {
  return words[language][key].replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return typeof value === 'number' ? number(value) : value ?? whole;
  });
}

/* Fills in what the HTML only names. */
export function applyTexts() {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  for (const node of document.querySelectorAll('[data-text]')) node.textContent = t(node.dataset.text);
  for (const node of document.querySelectorAll('[data-label]')) node.setAttribute('aria-label', t(node.dataset.label));
  for (const node of document.querySelectorAll('[data-title]')) node.title = t(node.dataset.title);
  for (const node of document.querySelectorAll('[data-placeholder]')) node.placeholder = t(node.dataset.placeholder);
}

/* ---- themes ----------------------------------------------------------------------------------------------------- */

const dark = matchMedia('(prefers-color-scheme: dark)');

function applyTheme() {
  document.documentElement.dataset.theme = kept('hone-theme') || (dark.matches ? 'dark' : 'light');
}

/* ---- the beginning ---------------------------------------------------------------------------------------------- */

/* Wires the buttons #theme and #language; changed() draws what the page itself puts into words or colours. */
export function begin(changed) {
  const nameLanguage = () => { $('language').textContent = language === 'zh' ? 'En' : '中'; };
  dark.addEventListener('change', () => {
    applyTheme();
    changed();
  });
  $('theme').addEventListener('click', () => {
    keep('hone-theme', document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
    applyTheme();
    changed();
  });
  $('language').addEventListener('click', () => {
    setLanguage(language === 'zh' ? 'en' : 'zh');
    nameLanguage();
    changed();
  });
  applyTheme();
  applyTexts();
  nameLanguage();
}
