/* SPDX-License-Identifier: Apache-2.0
 *
 * Every word that the page says, in English and Chinese. */

import { define } from './page.js';

export { number, percent, t } from './page.js';

define({
  en: {
    skip: 'Skip to the curves', languageWord: 'Language: 中文', theme: 'Light or dark', now: 'Now', progress: 'Progress', on: 'on {data}',
    stop: 'Stop', stopTitle: 'Stop the training?', stopText: 'It stops after the step in progress and saves its state; it can go on later as if nothing had happened.', goOn: 'Go on training',
    left: 'Time left', speed: 'Images per second', step: 'Step', rate: 'Learning rate', elapsed: 'Elapsed', epochs: 'Epochs', epochWord: 'Epoch',
    phase_waiting: 'Reading the data', phase_training: 'Training', phase_validating: 'Validating', phase_stopping: 'Stopping after this step', phase_finishing: 'Saving and testing', phase_ended: 'Over',
    epochOf: 'Epoch {at} of {all}', stepOf: '{at} of {all}', atMost: 'at most {time}',
    done: 'Trained. The model is in {file}.', doneTest: 'On {samples} test images: accuracy {accuracy} (95 % interval {low} to {high}).',
    stopped: 'Stopped; the state is saved. To go on:', failed: 'The training failed: {why}',
    away: 'The program does not answer; what you see is what it said last. Trying again…', gone: 'The program has ended; what you see is what it said last.',
    refused: 'This address is no longer valid. Open the one that hone train printed.', stopRefused: 'It could not be stopped: {why}',
    train: 'training', val: 'validation', log: 'log', logHint: 'Logarithmic scale',
    loss: 'Loss', accuracy: 'Accuracy', learning_rate: 'Learning rate', auc: 'AUC', precision: 'Precision', recall: 'Recall', top_k_categorical_accuracy: 'Top-k accuracy',
    chartIs: '{name} over {epochs} epochs; the table below has the numbers', saidEpoch: 'Epoch {at} of {all}: {numbers}',
    hours: '{h} h {m} min', minutes: '{m} min {s} s', seconds: '{s} s',
  },
  zh: {
    skip: '跳到曲线', languageWord: '语言：English', theme: '浅色或深色', now: '当前', progress: '进度', on: '数据 {data}',
    stop: '停止', stopTitle: '停止训练？', stopText: '将在当前这一步之后停止，并保存全部状态；以后可以接着训练，结果与从未中断完全相同。', goOn: '继续训练',
    left: '剩余时间', speed: '每秒图片数', step: '步', rate: '学习率', elapsed: '已用时间', epochs: '各轮', epochWord: '轮',
    phase_waiting: '正在读取数据', phase_training: '训练中', phase_validating: '验证中', phase_stopping: '这一步之后停止', phase_finishing: '正在保存与测试', phase_ended: '已结束',
    epochOf: '第 {at} 轮，共 {all} 轮', stepOf: '{at} / {all}', atMost: '至多 {time}',
    done: '训练完成，模型保存在 {file}。', doneTest: '{samples} 张测试图片上的准确率 {accuracy}（95% 区间 {low} 至 {high}）。',
    stopped: '已停止，状态已保存。继续训练：', failed: '训练失败：{why}',
    away: '程序没有回应，下面是它最后的状态。正在重试……', gone: '程序已结束，下面是它最后的状态。',
    refused: '此地址已失效。请打开 hone train 打印的地址。', stopRefused: '未能停止：{why}',
    train: '训练', val: '验证', log: '对数', logHint: '对数刻度',
    loss: '损失', accuracy: '准确率', learning_rate: '学习率', auc: 'AUC', precision: '精确率', recall: '召回率', top_k_categorical_accuracy: 'Top-k 准确率',
    chartIs: '{name}，共 {epochs} 轮；数值见下表', saidEpoch: '第 {at} 轮，共 {all} 轮：{numbers}',
    hours: '{h} 小时 {m} 分', minutes: '{m} 分 {s} 秒', seconds: '{s} 秒',
  },
});
