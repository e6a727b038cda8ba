/* SPDX-License-Identifier: Apache-2.0
 *
 * Every word that the page says, in English and Chinese. {name} is filled in; numbers are written as the language does. */

const words = {
  en: {
    skip: 'Skip to the pictures', queues: 'Queues', search: 'Search paths', size: 'Picture size (+ −)', language: 'Language: 中文',
    theme: 'Light or dark', help: 'Keys', menu: 'Classes and filters', pictures: 'Pictures', single: 'One picture',
    previous: 'Previous', next: 'Next', zoomIn: 'Larger (+)', zoomOut: 'Smaller (−)', close: 'Close', panel: 'Classes and filters',
    progress: 'Labelled', progressCount: '{done} of {all}', classes: 'Classes', clearFilter: 'show all', newClass: 'New class', add: 'Add', show: 'Show',
    labels: 'Labels', split: 'Part', statusWord: 'Status', any: 'any', withLabel: 'labelled', withoutLabel: 'unlabelled', noSplit: 'undivided',
    ok: 'in use', quarantined: 'set aside', suggestions: 'Suggestions', training: 'Training', trainNow: 'Learn now',
    accept: 'Accept', acceptHint: 'Take the suggestion (.)', clearLabel: 'Unlabel', clearHint: 'Take the label away (Backspace)',
    setAside: 'Set aside', asideHint: 'Leave the picture out of the data set, or take it back (-)', undo: 'Undo (Ctrl+Z)', redo: 'Redo (Ctrl+Y)',
    queue_all: 'All', queue_unlabelled: 'Unlabelled', queue_uncertain: 'Most uncertain', queue_border: 'Near the border',
    queue_suspicious: 'Suspicious', queue_disagree: 'Disagreements',
    hint_all: 'Every picture', hint_unlabelled: 'Pictures without a label', hint_uncertain: 'Unlabelled pictures that the model is least sure of: labels here teach it most',
    hint_border: 'Pictures between two classes: the smallest margin', hint_suspicious: 'Labels that hone clean doubts', hint_disagree: 'The model, not having seen the label, says something else',
    whoTitle: 'Who is labelling?', whoText: 'Your name stays with every label you give, so that several people can work together and see who did what. It is kept in this browser.',
    whoName: 'Your name', begin: 'Begin', rename: 'Change my name',
    saved: 'All saved', saving: 'Saving {count}…', away: 'The server is away: {count} waiting, trying again', awayIdle: 'The server is away, trying again',
    refused: 'This address is no longer valid. Open the one that hone label printed when it was started. {count} labels wait in this browser until then.',
    selected: '{count} selected', labelledAs: '{count} → {label}', unlabelled: '{count} without label', setAsideDone: '{count} set aside', takenBack: '{count} back in use',
    undone: 'Undone', redone: 'Done again', leftAlone: '{count} were changed since and stay as they are', nothingToUndo: 'Nothing to undo', nothingToRedo: 'Nothing to redo',
    otherChanged: '{who} changed {path} to {label}', conflict: '{who} had just labelled {path} {label}; yours replaces it, both are in the history', conflicts: '{who} had just labelled {count} of these; yours replace them, the history has both',
    noLabel: 'no label', emptyAll: 'No picture matches.', empty_unlabelled: 'Every picture has a label.', empty_uncertain: 'No suggestions yet, or nothing left to label.', empty_border: 'No suggestions yet.',
    empty_suspicious: 'Nothing is suspected. hone clean looks for wrong labels.', empty_disagree: 'The model agrees with every label.', showAll: 'Show all pictures',
    failed: 'Refused: {why}',
    learner_wanted: '{count} more labels, and a model begins to suggest.', learner_again: 'Learned from {trained} labels; learns again after {count} more.',
    learner_reading: 'Reading the pictures…', learner_training: 'Learning from the labels…', learner_given: 'From the given model.', learner_asking: 'Asking the model…', learner_off: 'Learning is off.',
    learner_failed: 'Learning failed: {why}', accuracy: ' Right about {percent} of the labels it had not seen ({low}–{high}).',
    fact_label: 'Label', fact_suggestion: 'Suggestion', fact_split: 'Part', fact_size: 'Size', fact_found: 'hone clean suggests', fact_status: 'Status',
    history_label: '{who}: {from} → {to}', of: '{at} of {all}',
    option: '{path}, {label}', optionGuess: '{path}, no label, suggestion {guess} {percent}', only: 'Show only {name}', assign: 'Label as {name}',
    key_class: 'label', key_move: 'move', key_range: 'extend the selection', key_toggle: 'select', key_all: 'select all', key_open: 'open / back to the grid', key_accept: 'accept the suggestion',
    key_clear: 'take the label away', key_aside: 'set aside', key_undo: 'undo, redo', key_search: 'search', key_class_new: 'new class', key_queue: 'previous, next queue', key_zoom: 'picture size, zoom', key_fit: 'fit to the window', key_help: 'this list',
    arrows: 'arrows', space: 'Space', digits: 'digits, letters',
  },
  zh: {
    skip: '跳到图片', queues: '队列', search: '搜索路径', size: '图片大小（+ −）', language: '语言：English',
    theme: '浅色或深色', help: '按键', menu: '类别与筛选', pictures: '图片', single: '单张图片',
    previous: '上一张', next: '下一张', zoomIn: '放大（+）', zoomOut: '缩小（−）', close: '关闭', panel: '类别与筛选',
    progress: '已标注', progressCount: '{done} / {all}', classes: '类别', clearFilter: '显示全部', newClass: '新类别', add: '添加', show: '显示',
    labels: '标签', split: '划分', statusWord: '状态', any: '不限', withLabel: '已标注', withoutLabel: '未标注', noSplit: '未划分',
    ok: '使用中', quarantined: '已搁置', suggestions: '模型建议', training: '训练中', trainNow: '立即学习',
    accept: '接受', acceptHint: '采用建议（.）', clearLabel: '去掉标签', clearHint: '去掉标签（Backspace）',
    setAside: '搁置', asideHint: '把图片移出数据集，或收回（-）', undo: '撤销（Ctrl+Z）', redo: '重做（Ctrl+Y）',
    queue_all: '全部', queue_unlabelled: '未标注', queue_uncertain: '最不确定', queue_border: '边界附近',
    queue_suspicious: '可疑', queue_disagree: '有分歧',
    hint_all: '所有图片', hint_unlabelled: '没有标签的图片', hint_uncertain: '模型最拿不准的未标注图片：标注它们最有帮助',
    hint_border: '介于两个类别之间、差距最小的图片', hint_suspicious: 'hone clean 怀疑的标签', hint_disagree: '没见过该标签的模型给出了不同答案',
    whoTitle: '谁在标注？', whoText: '您的名字会和每个标签一起保存，方便多人协作、查看是谁标的。名字只保存在这个浏览器里。',
    whoName: '您的名字', begin: '开始', rename: '修改名字',
    saved: '已全部保存', saving: '正在保存 {count} 项…', away: '服务器不在线：{count} 项等待中，正在重试', awayIdle: '服务器不在线，正在重试',
    refused: '此地址已失效。请打开 hone label 启动时显示的新地址。此前有 {count} 个标签保存在这个浏览器里。',
    selected: '已选 {count} 张', labelledAs: '{count} 张 → {label}', unlabelled: '{count} 张已去掉标签', setAsideDone: '已搁置 {count} 张', takenBack: '已收回 {count} 张',
    undone: '已撤销', redone: '已重做', leftAlone: '{count} 张后来被改过，保持不变', nothingToUndo: '没有可撤销的操作', nothingToRedo: '没有可重做的操作',
    otherChanged: '{who} 把 {path} 改成了 {label}', conflict: '{who} 刚把 {path} 标为 {label}；现以您的为准，历史中两者都在', conflicts: '{who} 刚标注了其中 {count} 张；现以您的为准，历史中两者都在',
    noLabel: '无标签', emptyAll: '没有符合条件的图片。', empty_unlabelled: '所有图片都有标签了。', empty_uncertain: '还没有建议，或已全部标注。', empty_border: '还没有建议。',
    empty_suspicious: '没有可疑的标签。hone clean 会查找错误标签。', empty_disagree: '模型同意所有标签。', showAll: '显示所有图片',
    failed: '被拒绝：{why}',
    learner_wanted: '再标 {count} 张，模型就会开始给出建议。', learner_again: '已从 {trained} 个标签中学习；再标 {count} 张后重新学习。',
    learner_reading: '正在读取图片…', learner_training: '正在学习标签…', learner_given: '来自指定的模型。', learner_asking: '正在询问模型…', learner_off: '学习已关闭。',
    learner_failed: '学习失败：{why}', accuracy: '对没见过的标签，正确率 {percent}（{low}–{high}）。',
    fact_label: '标签', fact_suggestion: '建议', fact_split: '划分', fact_size: '尺寸', fact_found: 'hone clean 建议', fact_status: '状态',
    history_label: '{who}：{from} → {to}', of: '{at} / {all}',
    option: '{path}，{label}', optionGuess: '{path}，无标签，建议 {guess} {percent}', only: '只看 {name}', assign: '标为 {name}',
    key_class: '标注', key_move: '移动', key_range: '扩展选择', key_toggle: '选择', key_all: '全选', key_open: '打开 / 回到网格', key_accept: '采用建议',
    key_clear: '去掉标签', key_aside: '搁置', key_undo: '撤销、重做', key_search: '搜索', key_class_new: '新类别', key_queue: '上一个、下一个队列', key_zoom: '图片大小、缩放', key_fit: '适合窗口', key_help: '本列表',
    arrows: '方向键', space: '空格', digits: '数字、字母',
  },
};

let language = localStorage.getItem('hone-language') || (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en');

export function currentLanguage() {
  return language;
}

export function setLanguage(wish) {
  language = wish;
  localStorage.setItem('hone-language', wish);
  applyTexts();
}

export function number(value) {
  return value.toLocaleString(language);
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
