"""Metrics by scikit-learn and sacreBLEU, in float64 and stored so: metrics are computed on the host in double.

Inputs are in the fixture too, under `<case>.…`, results under `<case>.=<name>`. A class that never occurs, ties, a single
class, constant targets and a single sample each have a case.
"""
import warnings

import numpy as np
from sacrebleu.metrics import BLEU
from safetensors.numpy import save_file
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from common import FIXTURES, begin

begin()
warnings.filterwarnings("ignore")
random = np.random.default_rng(7)
entries = {}


def put(case, **values):
    for name, value in values.items():
        value = np.atleast_1d(np.asarray(value))
        real = value.dtype.kind == "f"
        entries[f"{case}.{name}"] = np.ascontiguousarray(value.astype(np.float64 if real else np.int64))


def results(case, **values):
    put(case, **{"=" + name: np.asarray(value, dtype=np.float64) for name, value in values.items()})


# Decisions


def decisions(case, truth, guess, classes):
    labels = list(range(classes))
    put(case, truths=truth, predictions=guess, classes=classes)
    results(case, accuracy=sk.accuracy_score(truth, guess), balanced=sk.balanced_accuracy_score(truth, guess),
            balanced_adjusted=sk.balanced_accuracy_score(truth, guess, adjusted=True),
            matthews=sk.matthews_corrcoef(truth, guess),
            confusion=sk.confusion_matrix(truth, guess, labels=labels).ravel())
    for weights in [None, "linear", "quadratic"]:
        results(case, **{f"kappa_{str(weights).lower()}": sk.cohen_kappa_score(
            truth, guess, labels=labels, weights=weights)})
    for beta in [0.5, 1.0, 2.0]:
        p, r, f, _ = sk.precision_recall_fscore_support(truth, guess, beta=beta, labels=labels, zero_division=0)
        results(case, precisions=p, recalls=r, **{f"fbetas_{beta}": f})
        for average in ["macro", "micro", "weighted"]:
            p, r, f, _ = sk.precision_recall_fscore_support(truth, guess, beta=beta, average=average, zero_division=0)
            results(case, **{f"precision_{average}": p, f"recall_{average}": r, f"fbeta_{beta}_{average}": f})
    cells = sk.multilabel_confusion_matrix(truth, guess, labels=labels)
    told, all = cells[:, 0, 0], cells[:, 0, 0] + cells[:, 0, 1]
    results(case, specificities=np.where(all > 0, told / np.maximum(all, 1), 0.0))


truth = random.integers(0, 5, 200)
decisions("five", truth, np.where(random.random(200) < 0.6, truth, random.integers(0, 5, 200)), 5)
decisions("binary", random.integers(0, 2, 31), random.integers(0, 2, 31), 2)
decisions("absent", [0, 0, 0, 1, 1, 2, 2, 1], [0, 0, 1, 1, 1, 0, 1, 4], 6)
decisions("one_class", [1, 1, 1], [1, 1, 1], 3)
decisions("one_guess", [0, 1, 2, 1], [1, 1, 1, 1], 3)
decisions("one_sample_wrong", [0], [2], 3)

# Scores of a binary decision


def binary(case, truth, score):
    truth, score = np.asarray(truth), np.asarray(score, dtype=np.float64)
    put(case, truths=truth, scores=score)
    for drop in [False, True]:
        suffix = "_dropped" if drop else ""
        fpr, tpr, at = sk.roc_curve(truth, score, pos_label=1, drop_intermediate=drop)
        results(case, **{f"fpr{suffix}": fpr, f"tpr{suffix}": tpr, f"roc_thresholds{suffix}": at})
        p, r, at = sk.precision_recall_curve(truth, score, pos_label=1, drop_intermediate=drop)
        results(case, **{f"precision{suffix}": p, f"recall{suffix}": r, f"pr_thresholds{suffix}": at})
    results(case, area=sk.roc_auc_score(truth, score) if len(set(truth)) > 1 else np.nan,
            average_precision=sk.average_precision_score(truth, score))


truth = random.integers(0, 2, 120)
binary("curve", truth, truth * 0.7 + random.normal(size=120))
binary("curve_ties", truth, np.round(truth * 0.7 + random.normal(size=120), 0))
binary("curve_equal", [0, 1, 1, 0, 1], [0.5] * 5)
binary("curve_perfect", [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
binary("curve_reversed", [0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1])
binary("curve_positive", [1, 1, 1], [0.3, 0.1, 0.2])
binary("curve_negative", [0, 0, 0], [0.3, 0.1, 0.2])
binary("curve_one", [1], [0.3])

# Probabilities of several classes


def probabilities(case, truth, p, ks):
    truth, p = np.asarray(truth), np.asarray(p, dtype=np.float64)
    labels = list(range(p.shape[1]))
    onehot = np.eye(p.shape[1])[truth]
    put(case, truths=truth, probabilities=p, ks=ks)
    results(case, log_loss=sk.log_loss(truth, p, labels=labels),
            brier=sk.brier_score_loss(truth, p, labels=labels))
    if p.shape[1] > 2:
        results(case, top_k=[sk.top_k_accuracy_score(truth, p, k=k, labels=labels) for k in ks])
    for average in ["macro", "micro", "weighted"]:
        results(case, **{
            f"area_{average}": sk.roc_auc_score(onehot, p, average=average),
            f"average_precision_{average}": sk.average_precision_score(onehot, p, average=average)})
    # Guo et al. 2017, equations 2 to 5; scikit-learn has the curve of the bins that hold something.
    confidence, hit = p.max(axis=1), p.argmax(axis=1) == truth
    for bins in [5, 15]:
        share, mean = calibration_curve(hit, confidence, n_bins=bins)
        edges = np.linspace(0, 1, bins + 1)
        place = np.searchsorted(edges[1:-1], confidence)
        count = np.bincount(place, minlength=bins)
        gaps = np.abs(share - mean)
        results(case, **{f"bin_counts_{bins}": count, f"bin_accuracy_{bins}": share, f"bin_confidence_{bins}": mean,
                         f"ece_{bins}": np.sum(count[count > 0] / len(truth) * gaps), f"mce_{bins}": gaps.max()})


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


truth = random.integers(0, 7, 150)
probabilities("seven", truth, softmax(random.normal(size=(150, 7)) + 1.5 * np.eye(7)[truth]), [1, 2, 3, 5, 6])
# Multiples of a tenth: ties, confidences on the edges of bins, and certainty that is wrong.
p = random.multinomial(10, [0.3, 0.3, 0.2, 0.2], size=80) / 10
probabilities("tenths", random.integers(0, 4, 80), p, [1, 2, 3])
probabilities("certain", [0, 1, 2, 1], np.eye(3)[[0, 2, 2, 1]], [1, 2])
truth = random.integers(0, 2, 40)
probabilities("two", truth, softmax(random.normal(size=(40, 2)) + np.eye(2)[truth]), [1])
probabilities("absent_class", [0, 1, 0, 1], [[.7, .2, .1], [.1, .8, .1], [.5, .3, .2], [.2, .5, .3]], [1, 2])

# Regression


def regression(case, truth, guess):
    truth, guess = np.asarray(truth, dtype=np.float64), np.asarray(guess, dtype=np.float64)
    put(case, truths=truth, predictions=guess, width=1 if truth.ndim == 1 else truth.shape[1])
    columns = [(truth, guess)] if truth.ndim == 1 else list(zip(truth.T, guess.T))
    results(case, mae=sk.mean_absolute_error(truth, guess), mse=sk.mean_squared_error(truth, guess),
            rmse=sk.root_mean_squared_error(truth, guess), median=sk.median_absolute_error(truth, guess),
            mape=sk.mean_absolute_percentage_error(truth, guess), r2=sk.r2_score(truth, guess),
            explained=sk.explained_variance_score(truth, guess),
            max=np.mean([sk.max_error(a, b) for a, b in columns]))


truth = random.normal(size=101) * 3 + 1000
regression("numbers", truth, truth + random.normal(size=101))
regression("outputs", random.normal(size=(50, 3)), random.normal(size=(50, 3)))
regression("biased", [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0])
regression("constant_right", [2.0, 2.0, 2.0], [2.0, 2.0, 2.0])
regression("constant_wrong", [2.0, 2.0, 2.0], [2.0, 2.5, 2.0])
regression("zeros", [0.0, 1.0, 0.0, -1.0], [0.5, 1.0, 0.0, -2.0])
regression("one", [3.0], [2.5])
regression("mixed", [[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]], [[1.0, 2.0], [1.0, 4.0], [1.5, 5.0]])

# BLEU over numbers as tokens; -1 ends a reference


def bleu(case, pairs):
    hypotheses = [" ".join(map(str, hypothesis)) for hypothesis, _ in pairs]
    count = len(pairs[0][1])
    references = [[" ".join(map(str, refs[index])) for _, refs in pairs] for index in range(count)]
    flat = []
    for hypothesis, refs in pairs:
        flat += list(hypothesis) + [-1]
        for ref in refs:
            flat += list(ref) + [-1]
    put(case, tokens=np.array(flat), sentences=len(pairs), references=count)
    for name, options in {"none": dict(smooth_method="none"), "exponential": dict(smooth_method="exp"),
                          "floor": dict(smooth_method="floor"), "add": dict(smooth_method="add-k"),
                          "order2": dict(max_ngram_order=2)}.items():
        scorer = BLEU(tokenize="none", **options)
        single = BLEU(tokenize="none", effective_order=True, **options)
        results(case, **{f"corpus_{name}": scorer.corpus_score(hypotheses, references).score / 100,
                         f"sentences_{name}": [single.sentence_score(h, [r[i] for r in references]).score / 100
                                               for i, h in enumerate(hypotheses)]})


def sentence(length):
    return random.integers(0, 6, length)


def changed(tokens):
    return np.where(random.random(len(tokens)) < 0.8, tokens, random.integers(0, 6, len(tokens)))


originals = [sentence(int(n)) for n in random.integers(5, 25, 12)]
bleu("bleu", [(changed(s), [s]) for s in originals])
bleu("bleu_two", [(changed(s)[: len(s) - 2], [s, changed(s)[1:]]) for s in originals])
bleu("bleu_short", [([1, 2], [[1, 2, 3]]), ([4], [[5]]), ([1, 2, 3], [[1, 2, 3]])])
bleu("bleu_nothing", [([1, 2, 3, 4, 5], [[6, 7, 8, 9, 10]])])

path = FIXTURES / "metrics.safetensors"
save_file(entries, path)
print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
