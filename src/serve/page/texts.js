/* SPDX-License-Identifier: Apache-2.0
 *
 * Every word that the page says, in English and Chinese. */

import { define } from './page.js';

export { number, percent, t } from './page.js';

define({
  en: {
    skip: 'Skip to the answer', modelChoice: 'Model', languageWord: 'Language: 中文', theme: 'Light or dark', input: 'What goes in', answer: 'What comes out',
    draw: 'Draw', photo: 'Picture', padLabel: 'Drawing area', padHint: 'Draw a digit here', padHintOther: 'Draw here',
    padKeys: 'By keyboard: arrows move the pen, Space puts it down and lifts it, Backspace undoes, Delete clears.',
    penDown: 'Pen down', penUp: 'Pen up', cleared: 'Cleared', undo: 'Undo', undoHint: 'Take the last stroke back (Ctrl+Z)', clear: 'Clear', clearHint: 'Begin anew (Delete)',
    dropHere: 'Drop a picture here', choose: 'Choose a picture', pasteHint: 'or paste one with Ctrl+V', otherPhoto: 'Another picture', prepare: 'Cut out and centre as in MNIST',
    notPicture: 'The browser cannot read this file. PNG, JPEG and WebP are fine; a HEIC photo has to be converted first.', pictureAlt: 'The chosen picture',
    seen: 'What the network sees, {width} × {height}', heat: 'Where it looks', heatAlt: 'The places that speak for the answer', idle: 'Draw something, and the answer comes as you draw.', idlePhoto: 'Choose a picture to see the answer.',
    sure: '{percent} sure', unsure: 'It could also be {other}: {percent} against {otherPercent}.', wasTaught: 'It was taught this: {percent} sure.', unknown: 'Unknown', unknownWords: 'This looks like nothing the model was trained on. If it had to say, it would say {name}.',
    probabilities: 'Probabilities', others: '{count} other classes', nearest: 'Nearest training pictures', nearAlt: '{name}, distance {distance}',
    wrong: 'Was that wrong? It is …', wrongChoose: 'Choose the right class', feedbackOff: 'This server keeps no feedback: it was started without --feedback FOLDER.',
    queued: 'Thank you: kept as {name}. {count} in the queue.', known: 'It is in the queue as {name} already. {count} in the queue.', moved: 'Moved to {name}. {count} in the queue.',
    taught: 'Learnt: it is {name}.', tell: 'Tell that it is {name}',
    card: 'About this model', model: 'Model', versions: '{name}, version {list}', inputFact: 'Input', grey: 'grey', colour: 'colour', classes: 'Classes', parameters: 'Parameters', tested: 'Test accuracy', validated: 'Validation accuracy',
    testedValue: '{accuracy} on {samples} images (95 % interval {low} to {high})', trainedOn: 'Trained on', trainedValue: '{source}, {samples} images', dataHash: 'SHA-256 of the data', seed: 'Seed', madeBy: 'Made by', command: 'Command', calibration: 'Calibration', calibrated: 'temperature {value}', uncalibrated: 'none',
    rejection: 'Rejection', rejectionValue: '{score}; answers {tpr} of known pictures', noRejection: 'none: it always answers with one of its classes', unrecorded: 'not recorded', moreClasses: '{list}, … ({count} in all)',
    stays: 'Nothing leaves this server.',
    away: 'The server does not answer. Trying again…', busy: 'The server is busy. Trying again in {seconds} s…', tooLarge: 'The picture is too large for this server.', notReadable: 'The server cannot read this picture: {why}', failed: 'The server says: {why}', noModel: 'The server has no model loaded right now.', tooSlow: 'The server took too long. Trying again…',
    tokenTitle: 'Access token', tokenText: 'This server answers only those who have a token. It is kept until this tab is closed.', tokenGo: 'Go on',
    saidAnswer: '{name}, {percent}', saidUnknown: 'Unknown; perhaps {name}',
  },
  zh: {
    skip: '跳到结果', modelChoice: '模型', languageWord: '语言：English', theme: '浅色或深色', input: '输入', answer: '结果',
    draw: '手写', photo: '图片', padLabel: '绘图区', padHint: '在这里写一个数字', padHintOther: '在这里画',
    padKeys: '键盘操作：方向键移动画笔，空格落笔或抬笔，Backspace 撤销，Delete 清空。',
    penDown: '落笔', penUp: '抬笔', cleared: '已清空', undo: '撤销', undoHint: '撤销上一笔（Ctrl+Z）', clear: '清空', clearHint: '重新开始（Delete）',
    dropHere: '把图片拖到这里', choose: '选择图片', pasteHint: '或用 Ctrl+V 粘贴', otherPhoto: '换一张图片', prepare: '像 MNIST 那样裁剪并居中',
    notPicture: '浏览器无法读取这个文件。可用 PNG、JPEG 和 WebP；HEIC 照片请先转换。', pictureAlt: '所选的图片',
    seen: '网络看到的图像，{width} × {height}', heat: '关注区域', heatAlt: '支持该答案的区域', idle: '开始书写，结果会随笔画实时出现。', idlePhoto: '选择一张图片查看结果。',
    sure: '把握 {percent}', unsure: '也可能是 {other}：{percent} 对 {otherPercent}。', wasTaught: '这是后来教给它的：把握 {percent}。', unknown: '无法识别', unknownWords: '这不像模型学过的任何东西。如果一定要回答，它会说是 {name}。',
    probabilities: '概率', others: '其余 {count} 个类别', nearest: '最相似的训练图片', nearAlt: '{name}，距离 {distance}',
    wrong: '答错了？它其实是……', wrongChoose: '选择正确的类别', feedbackOff: '此服务器不保存反馈：启动时没有使用 --feedback 目录。',
    queued: '谢谢！已按 {name} 保存，队列中共 {count} 张。', known: '它已在队列中，标为 {name}，队列中共 {count} 张。', moved: '已改为 {name}，队列中共 {count} 张。',
    taught: '学会了：这是 {name}。', tell: '告诉它这是 {name}',
    card: '关于这个模型', model: '模型', versions: '{name}，版本 {list}', inputFact: '输入', grey: '灰度', colour: '彩色', classes: '类别', parameters: '参数', tested: '测试准确率', validated: '验证准确率',
    testedValue: '{samples} 张图片上为 {accuracy}（95% 区间 {low} 至 {high}）', trainedOn: '训练数据', trainedValue: '{source}，{samples} 张图片', dataHash: '数据的 SHA-256', seed: '随机种子', madeBy: '来自', command: '命令', calibration: '校准', calibrated: '温度 {value}', uncalibrated: '无',
    rejection: '拒识', rejectionValue: '{score}；对 {tpr} 的已知图片给出答案', noRejection: '无：总是回答某个类别', unrecorded: '未记录', moreClasses: '{list} 等（共 {count} 个）',
    stays: '所有数据都留在这台服务器上。',
    away: '服务器没有回应，正在重试……', busy: '服务器繁忙，{seconds} 秒后重试……', tooLarge: '图片超过了此服务器的大小限制。', notReadable: '服务器无法读取这张图片：{why}', failed: '服务器返回：{why}', noModel: '服务器目前没有加载任何模型。', tooSlow: '服务器响应太慢，正在重试……',
    tokenTitle: '访问令牌', tokenText: '此服务器只回应持有令牌的人。令牌保存到此标签页关闭为止。', tokenGo: '继续',
    saidAnswer: '{name}，{percent}', saidUnknown: '无法识别，可能是 {name}',
  },
});
