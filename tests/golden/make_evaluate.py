"""Writes tests/unit/evaluate/evaluate_golden.h: predictions with ties, an absent class and a class that is never
predicted, and what scikit-learn makes of them (and SciPy, where scikit-learn has no such number).

    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1
    venv/bin/python tests/golden/make_evaluate.py >tests/unit/evaluate/evaluate_golden.h
"""
import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest
from sklearn import metrics

BINS = 15


def show(name, values, kind="double"):
    values = np.asarray(values).ravel()
    if kind == "int32_t" or kind == "uint64_t":
        words = [str(int(v)) for v in values]
    elif kind == "float":
        words = [float(v).hex() + "f" for v in values]
    else:
        words = ["NAN" if np.isnan(v) else repr(float(v)) for v in values]
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) > 112:
            lines.append(line)
            line = "   "
        line += " " + word + ","
    lines.append(line)
    print(f"static const {kind} {name}[] = {{\n" + "\n".join(lines) + "\n};")


def calibration_errors(confidence, right):
    """By the definition, with bins open below: np.digitize does the cutting."""
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    ece, mce = 0.0, 0.0
    for b in range(BINS):
        inside = place == b
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            ece += gap * inside.mean()
            mce = max(mce, gap)
    return ece, mce


def several_classes():
    rng = np.random.default_rng(3)
    samples, classes = 80, 5  # class 3 does not occur, class 4 is hardly ever said
    labels = rng.choice([0, 1, 2, 4], samples)
    logits = rng.normal(size=(samples, classes)) * 2
    logits[np.arange(samples), labels] += 2.5
    logits[:, 4] -= 9
    logits[:, 3] -= 1
    p = softmax(np.round(logits, 1), axis=1).astype(np.float32)
    p[:8] = np.float32(0.2)  # ties of whole rows
    exact = p.astype(np.float64)
    said = p.argmax(axis=1)
    every = list(range(classes))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(labels, said, labels=every,
                                                                             zero_division=0)
    show("golden_probabilities", p, "float")
    show("golden_labels", labels, "int32_t")
    show("golden_precision", precision)
    show("golden_recall", recall)
    show("golden_f1", f1)
    show("golden_support", support, "uint64_t")
    show("golden_confusion", metrics.confusion_matrix(labels, said, labels=every), "uint64_t")
    for average in ("macro", "weighted"):
        show(f"golden_{average}", metrics.precision_recall_fscore_support(labels, said, average=average,
                                                                          zero_division=0)[:3])
    occurs = [0 < (labels == c).sum() for c in every]
    show("golden_auc", [metrics.roc_auc_score(labels == c, exact[:, c]) if occurs[c] else np.nan for c in every])
    show("golden_pr_auc",
         [metrics.average_precision_score(labels == c, exact[:, c]) if occurs[c] else np.nan for c in every])
    one_hot = np.eye(classes)[labels]
    brier = ((exact - one_hot) ** 2).sum(axis=1).mean()
    # top-k without scikit-learn, which breaks ties by the class's number; Keras counts them for the label
    of_label = exact[np.arange(samples), labels]
    top2 = ((exact > of_label[:, None]).sum(axis=1) < 2).mean()
    ece, mce = calibration_errors(p.max(axis=1).astype(np.float64), said == labels)
    show("golden_numbers", [metrics.accuracy_score(labels, said), top2, -np.log(of_label).mean(), brier, ece, mce])
    z = np.log(exact)
    best = minimize_scalar(lambda t: -log_softmax(z / t, axis=1)[np.arange(samples), labels].mean(),
                           bounds=(0.01, 100), method="bounded", options={"xatol": 1e-12})
    show("golden_temperature", [best.x])


def two_classes():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 60)
    p = np.round(1 / (1 + np.exp(-(rng.normal(size=60) * 2 + 3 * (labels - 0.5)))), 2).astype(np.float32)
    p = np.clip(p, np.float32(0.01), np.float32(0.99))
    exact, said = p.astype(np.float64), (p > 0.5).astype(int)
    show("golden_binary", p, "float")
    show("golden_binary_labels", labels, "int32_t")
    show("golden_binary_numbers",
         [metrics.accuracy_score(labels, said), metrics.precision_score(labels, said),
          metrics.recall_score(labels, said), metrics.roc_auc_score(labels, exact),
          metrics.average_precision_score(labels, exact), metrics.log_loss(labels, exact),
          2 * metrics.brier_score_loss(labels, exact)])
    z = np.log(exact) - np.log1p(-exact)
    best = minimize_scalar(lambda t: np.logaddexp(0, np.where(labels == 1, -z, z) / t).mean(), bounds=(0.01, 100),
                           method="bounded", options={"xatol": 1e-12})
    show("golden_binary_temperature", [best.x])


def mcnemar():
    pairs = [(0, 0), (0, 1), (3, 12), (12, 3), (40, 41), (100, 160), (1500, 1700), (0, 2000)]
    show("golden_mcnemar_pairs", pairs, "int32_t")
    show("golden_mcnemar", [binomtest(min(p), sum(p), 0.5).pvalue if sum(p) else 1.0 for p in pairs])


print(f"""/* SPDX-License-Identifier: Apache-2.0
 *
 * Made by tests/golden/make_evaluate.py with scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}. */
/* clang-format off */
#include <math.h>
#include <stdint.h>
""")
several_classes()
two_classes()
mcnemar()
