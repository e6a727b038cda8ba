# SPDX-License-Identifier: Apache-2.0
"""From a folder of photos to a cleaned, labelled data set and a model: the walk of docs/photos.md, step by step."""
import json
import os
import subprocess

import browser
from browser import HONE, KINDS, Server, Window, folder, kind_of, make_photos


class Report:
    """A page that is a file, for a Window."""

    def __init__(self, path):
        self.url = f'file://{path}'


class ReportWindow(Window):
    def ready(self):
        self.until(lambda: self.script('return document.readyState') == 'complete', 'the report is there')

    def shot(self, name):
        if browser.SHOTS:
            os.makedirs(browser.SHOTS, exist_ok=True)
            self.driver.save_screenshot(f'{browser.SHOTS}/{name}.png')


def hone(*words):
    done = subprocess.run([HONE, *words, '--json', '--quiet'], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return json.loads(done.stdout)


def paths_of(report, kind):
    """The worst first."""
    issues = sorted((issue for issue in report['issues'] if issue['kind'] == kind), key=lambda issue: -issue['score'])
    return [issue['path'].split('photos/')[1] for issue in issues]


def the_report_shows_what_was_found(root):
    for dark in (False, True):
        window = ReportWindow(Report(f'{root}/report.html'), dark=dark, size=(1280, 1000))
        try:
            text = window.text('body')
            for words in ('misplaced-', 'black.png', '0003-copy.png'):
                assert words in text, words
            assert window.script("return [...document.images].filter(i => i.naturalWidth > 0).length") >= 5
            assert not window.script("return [...document.querySelectorAll('[src],[href]')].filter(e => /^https?:/.test(e.src || e.href)).length")
            assert window.complaints() == []
            window.shot('clean-report-dark' if dark else 'clean-report')
        finally:
            window.close()


def suspects_are_put_right(root, wrong):
    server = Server(f'{root}/photos', '--no-learning')
    window = Window(server, 'Ada')
    try:
        window.click('[data-queue="suspicious"]')
        window.until(lambda: window.count('.cell:not([hidden])') >= len(wrong), 'the suspects are shown')
        window.shot('label-suspects')
        window.keys(*[str(KINDS.index(kind) + 1) for kind in wrong.values()])
        window.saved()
    finally:
        window.close()
        server.stop()
    labels = server.labels()
    assert {path: labels[path] for path in wrong} == wrong, ({path: labels[path] for path in wrong}, wrong)


def the_new_ones_get_labels(root, count):
    server = Server(f'{root}/photos', '--no-learning')
    window = Window(server, 'Ada')
    try:
        window.click('[data-queue="unlabelled"]')
        window.until(lambda: window.count('.cell:not([hidden])') > 0, 'the new pictures are shown')
        window.keys(*[str(KINDS.index(kind_of(i)) + 1) for i in range(count)])
        window.saved()
    finally:
        window.close()
        server.stop()
    labels = server.labels()
    assert {f'new-{i:03d}.png': kind_of(i) for i in range(count)}.items() <= labels.items()


def five_commands_from_a_folder_to_a_model():
    with folder() as root:
        photos, new = f'{root}/photos', 40
        wrong = make_photos(photos, each=150, new=new)
        collected = hone('collect', photos)
        assert [bad['path'] for bad in collected['unreadable']] == ['circle/cut.png'], collected
        assert collected['unlabelled'] == new, collected
        report = hone('clean', photos, '--report', f'{root}/report.html', '--apply', '--epochs', '12')
        assert paths_of(report, 'uniform') == ['square/black.png']
        assert len(paths_of(report, 'duplicate')) == 1
        # in the order of the queue: the surest first
        found = {path: wrong[path] for path in paths_of(report, 'label') if path in wrong}
        assert len(found) >= len(wrong) - 1, paths_of(report, 'label')
        the_report_shows_what_was_found(root)
        suspects_are_put_right(root, found)
        the_new_ones_get_labels(root, new)
        trained = hone('train', photos, '--epochs', '15', '--validation', 'stratified:0.2', '--output', f'{root}/photos.h5')
        assert trained['history']['val_accuracy'][-1] > 0.6, trained['history']
        said = hone('predict', f'{root}/photos.h5', f'{photos}/circle/0002.png')
        assert said['predictions'][0]['class'] in KINDS


if __name__ == '__main__':
    browser.run([five_commands_from_a_folder_to_a_model])
