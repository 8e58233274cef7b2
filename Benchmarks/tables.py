#!/usr/bin/env python3
"""Trains on messy tables with `gimbal train` and with scikit-learn's own pipeline, on the same rows.

    Benchmarks/tables.py [--gimbal .build/release/gimbal] [--data ../shared/data] [--seeds 0,1,2,3,4] [--only iris,wine]

Ten tables are made here in the shapes of well-known public ones, with what makes those hard to read; what is to be predicted
follows from some of the columns, with noise. The other tables are real: those of --data. `gimbal` is told the target and the
task alone, and trains by its recipe for tables (one hidden layer of 512 units, Adam at 0.001, batches of 32, at most 100
epochs, early stopping after 20). scikit-learn's pipeline is what its documentation recommends: the median and an indicator for
missing numbers, one-hot categories (unknown ones ignored, at most 32 values), standardised numbers, and an MLP of the same
size, optimizer, batches, epochs and patience. Where pandas has to be told how a file is written, or which columns are no
inputs, that stands beside each table.

Each seed is another split, which `gimbal` writes down (--write-split) and scikit-learn uses; what is held back for early
stopping it takes itself from the rows that are training and validation there, as many. For each run it is also checked that
`gimbal evaluate` gives the figures that training ended with, and that `gimbal predict` on the file without its target has a
line for each row and, on the test rows, the same score. Writes results/DATE-tables.md.
"""
import argparse
import csv
import datetime
import functools
import gzip
import io
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy
import pandas
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, average_precision_score, r2_score, roc_auc_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROOT = Path(__file__).resolve().parent.parent


class Table:
    """A table: its records as they stand in the file, and how pandas and scikit-learn have to be told to read it."""

    def __init__(
        self, name, records, target, header=None, separator=",", end="\n", mark="", before=(), suffix=".csv",
        regression=False, pandas=None, dropped=(), dates=None, rare=None, flags=(), path=None,
    ):
        self.name, self.records, self.header, self.target = name, records, header, target
        self.separator, self.end, self.mark, self.before, self.suffix = separator, end, mark, before, suffix
        self.regression, self.pandas, self.dropped, self.dates = regression, pandas or {}, dropped, dates or {}
        self.rare, self.flags, self.path = rare, flags, path
        self.place = len(records[0]) - 1 if target is None else (
            header.index(target) if header and target in header else int(target) - 1)

    def text(self, without_target=False):
        keep = [place for place in range(len(self.records[0])) if not (without_target and place == self.place)]
        lines = list(self.before) if not without_target else []
        lines += [self.separator.join(row[place] for place in keep)
                  for row in ([self.header] if self.header else []) + self.records]
        return self.mark + self.end.join(lines) + self.end

    @property
    def has_target(self):
        return numpy.array([row[self.place] not in ("", '""') for row in self.records])


def chance(random, score):
    return random.random() < 1 / (1 + numpy.exp(-score))


def titanic(random):
    """An id, quoted names with commas, missing ages and cabins, tickets half numbers."""
    rows = []
    for row in range(891):
        female, level, age = random.random() < 0.36, random.choice([1, 2, 3], p=[0.24, 0.21, 0.55]), random.gamma(5, 6)
        survives = chance(random, -0.6 + 2.6 * female - 1.1 * (level - 2) - 0.035 * (age - 30))
        rows.append([
            str(row + 1), str(int(survives)), str(level),
            f'"Name{row}, {"Mrs" if female else "Mr"}. ""X"" {row}"', "female" if female else "male",
            "" if random.random() < 0.2 else f"{age:.0f}", str(random.poisson(0.5)),
            f"A/5 {10000 + row}" if random.random() < 0.3 else str(100000 + 7 * row),
            f"{random.gamma(2, 60 / level ** 2):.4f}", f"C{row}" if random.random() < 0.23 else "",
            "" if row == 61 else random.choice(["S", "C", "Q"], p=[0.72, 0.19, 0.09])])
    return Table(
        "Titanic", rows, "Survived", "PassengerId Survived Pclass Name Sex Age SibSp Ticket Fare Cabin Embarked".split(),
        dropped=["PassengerId", "Name", "Ticket", "Cabin"])


def adult(random):
    """No header, a space behind each comma, "?" for what is missing, many countries."""
    degrees = {"11th": -1.5, "HS-grad": -0.7, "Some-college": -0.2, "Bachelors": 0.9, "Masters": 1.5}
    rows = []
    for _ in range(700):
        age, degree, hours = random.integers(17, 87), random.choice(list(degrees)), random.normal(40, 11)
        gain = random.integers(1000, 99999) if random.random() < 0.08 else 0
        rich = chance(random, degrees[degree] + 1.5 - ((age - 50) / 14) ** 2 + 0.05 * (hours - 40) + 2.5 * (gain > 5000))
        rows.append([
            str(age), "?" if random.random() < 0.06 else random.choice(["Private", "State-gov", "Self-emp-inc"]),
            str(random.integers(10000, 410000)), degree, str(random.choice(["Male", "Female"])), str(gain),
            f"{hours:.0f}", f"Country-{min(random.geometric(0.12), 41)}", ">50K" if rich else "<=50K"])
    return Table("Adult", rows, "9", None, separator=", ", pandas={"header": None, "skipinitialspace": True,
                                                                   "na_values": ["?"]})


def ames(random):
    """NA that means "none", an order and an id, years, a constant, prices of six digits."""
    rows = []
    worth = random.normal(0, 0.15, 25)
    for row in range(600):
        area, year, quarter, quality = random.gamma(9, 165), random.integers(1900, 2011), random.integers(25), random.integers(1, 11)
        price = numpy.exp(10.3 + 0.0004 * area + 0.004 * (year - 1900) + worth[quarter] + 0.09 * quality + random.normal(0, 0.1))
        rows.append([
            str(row + 1), str(526301100 + 2003 * row), str(random.choice(["RL", "RM", "FV"])),
            "NA" if random.random() < 0.17 else str(random.integers(20, 220)), str(random.choice(["NA", "NA", "NA", "Pave", "Grvl"])),
            "AllPub", f"Quarter{quarter}", str(quality), str(year), f"{area:.0f}", f"{price:.0f}"])
    return Table(
        "Ames", rows, "SalePrice",
        ["Order", "PID", "MS Zoning", "Lot Frontage", "Alley", "Utilities", "Neighborhood", "Overall Qual", "Year Built",
         "Gr Liv Area", "SalePrice"], regression=True, dropped=["Order", "PID"])


def bank(random):
    """Semicolons, everything that is text quoted, CR LF, yes and no."""
    rows = []
    for _ in range(700):
        duration, month, job = random.gamma(1.2, 220), random.choice(["may", "jun", "nov", "mar"]), random.choice(
            ["admin.", "blue-collar", "technician", "unknown", "retired"])
        yes = chance(random, -3 + 0.006 * duration + 1.5 * (month == "mar") + 0.9 * (job == "retired"))
        rows.append([
            str(random.integers(18, 88)), f'"{job}"', f'"{"yes" if random.random() < 0.1 else "no"}"',
            str(random.integers(-500, 5000)), f'"{month}"', f"{duration:.0f}", f'"{"yes" if yes else "no"}"'])
    return Table(
        "bank", rows, "y", ["age", "job", "default", "balance", "month", "duration", "y"], separator=";", end="\r\n",
        pandas={"sep": ";"})


def wine(random):
    """Semicolons, quoted names with spaces, grades as classes."""
    rows = []
    for _ in range(600):
        acid, volatile, sulfur, alcohol = random.normal(7, 1), random.gamma(4, 0.1), random.gamma(3, 40), random.normal(10.5, 1.2)
        grade = 5.8 + 0.5 * (alcohol - 10.5) - 1.2 * (volatile - 0.4) - 0.002 * (sulfur - 120) + random.normal(0, 0.45)
        rows.append([f"{acid:.1f}", f"{volatile:.2f}", f"{sulfur:.0f}", f"{alcohol:.1f}", f"{min(max(grade, 4), 8):.0f}"])
    names = ["fixed acidity", "volatile acidity", "total sulfur dioxide", "alcohol", "quality"]
    table = Table("wine", rows, "quality", names, separator=";", pandas={"sep": ";"})
    table.header = [f'"{name}"' for name in names]
    return table


def air(random):
    """Decimal commas, dates day first, times with points, two columns without a name, lines of nothing."""
    def comma(value):
        return f"{value:.1f}".replace(".", ",")
    rows = []
    for row in range(600):
        hour, day = row % 24, datetime.date(2004, 3, 1) + datetime.timedelta(row // 24)
        gas = 1 + 1.5 * numpy.exp(-((hour - 8) / 3) ** 2) + 2 * numpy.exp(-((hour - 19) / 3) ** 2)
        gas *= (0.7 if day.weekday() > 4 else 1) * random.lognormal(0, 0.25)
        rows.append([
            day.strftime("%d/%m/%Y"), f"{hour:02}.00.00", comma(gas),
            "" if random.random() < 0.03 else f"{800 + 100 * gas + random.normal(0, 60):.0f}", comma(random.normal(15, 8)),
            comma(random.uniform(10, 90)), "", ""])
    rows += [[""] * 8] * 30
    return Table(
        "air quality", rows, "CO(GT)", ["Date", "Time", "CO(GT)", "PT08.S1(CO)", "T", "RH", "", ""], separator=";",
        end="\r\n", regression=True, pandas={"sep": ";", "decimal": ","}, dropped=["Unnamed: 6", "Unnamed: 7"],
        dates={"Date": "%d/%m/%Y", "Time": "%H.%M.%S"})


def survey(random):
    """Answers over several lines, long questions as names, a label that is not given now and then."""
    rows = []
    for row in range(600):
        country, age, family = random.choice(["NA", "SE", "Côte d'Ivoire", "DE"]), random.integers(18, 68), random.choice(
            ["Yes", "No", "Don't know, really"])
        seeks = chance(random, 1.4 * (family == "Yes") - 1.2 * (family == "No") + 0.9 * (country == "SE") - 0.03 * (age - 40))
        moment = datetime.datetime(2014, 8, 27, 11) + datetime.timedelta(minutes=7 * row)
        rows.append([
            moment.strftime("%Y-%m-%d %H:%M:%S"), str(age), f'"I say ""{row}"",\nand more; {row}"', str(country), f'"{family}"',
            "" if row % 50 == 7 else "Yes" if seeks else "No"])
    table = Table(
        "survey", rows, "Seeks treatment",
        ["Timestamp", "Your age,\nin years", "What do you say?", "Country", "Anyone else,\nin your family?", "Seeks treatment"],
        pandas={"keep_default_na": False, "na_values": {"Seeks treatment": [""]}}, dropped=["What do you say?"],
        dates={"Timestamp": "%Y-%m-%d %H:%M:%S"})
    table.header = [f'"{name}"' if "," in name else name for name in table.header]
    return table


def data_frame(random):
    """An index and a header of numbers."""
    rows = []
    for row in range(600):
        a, b, c = random.normal(0, 1, 3)
        rows.append([str(row), f"{a:.3f}", f"{b:.3f}", f"{c:.3f}", str(int(chance(random, 3 * a * b + 1.5 * c)))])
    return Table("frame", rows, "3", ["", "0", "1", "2", "3"], pandas={"index_col": 0})


def credit(random):
    """One default in 300."""
    count = 3000
    pay = random.integers(-2, 6, count)
    limit = 10000 * random.integers(1, 71, count)
    sex = random.integers(1, 3, count)
    risk = 1.0 * pay - limit / 250000 + random.normal(0, 0.8, count)
    defaults = numpy.zeros(count, int)
    defaults[numpy.argsort(risk)[-count // 300:]] = 1
    rows = [[str(row + 1), str(limit[row]), str(sex[row]), str(pay[row]), str(defaults[row])] for row in range(count)]
    return Table(
        "credit", rows, "default.payment.next.month", ["ID", "LIMIT_BAL", "SEX", "PAY_0", "default.payment.next.month"],
        dropped=["ID"], rare="1")


def sensor(random):
    """Tabs, a byte order mark, time stamps in milliseconds, an integer key."""
    rows = []
    for _ in range(600):
        second, kind, value = random.integers(86400), random.integers(3), random.uniform(-2, 2)
        reading = 0.5 * kind + numpy.sin(1.5 * value) + second / 86400 + random.normal(0, 0.15)
        rows.append([str(1700000000000 + second * 1000), f"s{kind}", f"{value:.3f}", f"{reading:.4f}"])
    return Table(
        "sensor", rows, "reading", ["timestamp_ms", "sensor", "value", "reading"], separator="\t", mark="\ufeff",
        regression=True, pandas={"sep": "\t"})


def real(data):
    """The tables that are not made here, from their files."""
    def read(name, separator=","):
        path = data / name
        text = (gzip.open(path, "rt") if name.endswith(".gz") else open(path)).read()
        return path, [line.split(separator) for line in text.splitlines()]
    for file in ["iris", "breast_cancer"]:
        path, records = read(f"sklearn-toy/{file}.csv")
        yield Table(
            file, records[1:], None, path=path, before=[",".join(records[0])], pandas={"header": None, "skiprows": 1})
    path, records = read("sklearn-toy/digits.csv.gz")
    yield Table("digits", records, None, path=path, pandas={"header": None})
    path, records = read("sklearn-toy/diabetes_data_raw.csv.gz", " ")
    yield Table(
        "diabetes (s6)", records, None, separator=" ", path=path, regression=True, pandas={"header": None, "sep": " "})
    for name, file, dates in [
        ("CO2", "co2-mauna-loa-weekly", {"date": "%Y%m%d"}), ("sunspots", "sunspots-yearly", {}), ("Nile", "nile", {})
    ]:
        path, records = read(f"timeseries/{file}.csv")
        yield Table(name, records[1:], None, records[0], path=path, regression=True, dates=dates)


# What `evaluate` calls the figures that training ends with.
EVALUATED = {
    "testAccuracy": "accuracy", "testLoss": "loss", "testR2": "determination", "testRMSE": "rootMeanSquaredError"}


def run(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr}")
    return result.stdout


def gimbal(program, table, path, seed, folder, flags=()):
    """The scores on the test rows, the part of each row, and what `evaluate` or `predict` did not bear out."""
    split, place = f"{folder}/split", f"{folder}/run{'-'.join(flags)}"
    command = [program, "train", "--data", str(path), "--seed", str(seed), "--device", "cpu", "--json"]
    command += ["--write-split", split, "--run-dir", place, *flags]
    command += ["--target", table.target] if table.target else []
    command += ["--task", "regression"] if table.regression else []
    result = json.loads(run(command).splitlines()[-1])
    parts = numpy.array(Path(split).read_text().split())
    name = "testR2" if table.regression else "testAccuracy"
    wrong = []

    evaluated = json.loads(run([program, "evaluate", "--checkpoint", place, "--device", "cpu", "--json"]).splitlines()[-1])
    for key, value in result.items():
        if not key.startswith("test"):
            continue
        same = evaluated.get(EVALUATED[key])
        if same != value:
            wrong.append(f"{key} {value} trained, {same} evaluated")

    bare = f"{folder}/bare{table.suffix}"
    Path(bare).write_bytes(table.text(without_target=True).encode())
    command = [program, "predict", "--checkpoint", place, "--data", bare, "--device", "cpu"]
    try:
        output = run(command + ([] if table.regression else ["--probabilities"]))
    except RuntimeError as error:
        wrong.append(str(error).splitlines()[-1].replace(bare, "FILE").removeprefix("Error: "))
        return {"score": result[name]}, parts, wrong
    predicted = list(csv.DictReader(io.StringIO(output)))
    # Lines of nothing but separators are no rows.
    records = [record for record in table.records if any(record)]
    if len(predicted) != len(records):
        wrong.append(f"{len(predicted)} lines predicted of {len(records)} rows")
        return {"score": result[name]}, parts, wrong
    rows = [(line, record) for line, record in zip(predicted, records) if record[table.place] not in ("", '""')]
    rows = [row for row, part in zip(rows, parts) if part == "test"]
    truth = [record[table.place].strip('"') for _, record in rows]
    if table.regression:
        truth = [float(value.replace(",", ".")) for value in truth]
        scores = {"score": r2_score(truth, [float(line["prediction"]) for line, _ in rows])}
    else:
        scores = {"score": accuracy_score(truth, [line["prediction"] for line, _ in rows])}
    if abs(scores["score"] - result[name]) > 1e-4:
        wrong.append(f"{name} {result[name]} trained, {scores['score']} predicted")
    if table.rare:
        column = next(key for key in rows[0][0] if key not in ("row", "prediction", "probability") and key.endswith(table.rare))
        scores.update(ranking([value == table.rare for value in truth], [float(line[column]) for line, _ in rows]))
    return scores, parts, wrong


def ranking(truth, found):
    return {"average precision": average_precision_score(truth, found), "AUC": roc_auc_score(truth, found)}


def frame(table, path):
    """The table as pandas reads it: inputs and target, rows without a target left out."""
    found = pandas.read_csv(path, **table.pandas)
    target = found.columns[-1]
    if table.target:
        target = table.target if table.target in found.columns else found.columns[table.place]
    found = found.dropna(how="all")
    found = found[found[target].notna() & (found[target].astype(str) != "")]
    for column, form in table.dates.items():
        moments = pandas.to_datetime(found[column].astype(str), format=form)
        found[f"{column} day"] = (moments - moments.min()).dt.total_seconds() / 86400
        turns = []
        if "%H" in form:
            turns.append(("time", (moments.dt.hour * 60 + moments.dt.minute) / 1440))
        if "%d" in form:
            turns += [("week", moments.dt.dayofweek / 7), ("season", moments.dt.dayofyear / 365.25)]
        for name, turn in turns:
            found[f"{column} {name} sine"] = numpy.sin(2 * numpy.pi * turn)
            found[f"{column} {name} cosine"] = numpy.cos(2 * numpy.pi * turn)
    found.columns = found.columns.map(str)
    return found.drop(columns=[str(target), *table.dropped, *table.dates]), found[str(target)]


def scikit(table, inputs, target, parts, seed, balanced=False):
    """The scores of scikit-learn's pipeline on the same rows."""
    numbers = inputs.select_dtypes("number").columns
    texts = [column for column in inputs.columns if column not in numbers]
    encode = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
        ("texts", make_pipeline(
            SimpleImputer(strategy="constant", fill_value="missing"),
            OneHotEncoder(handle_unknown="ignore", max_categories=32)), texts),
    ])
    settings = dict(
        hidden_layer_sizes=(512,), batch_size=32, learning_rate_init=0.001, max_iter=100, alpha=0, random_state=seed,
        early_stopping=True, validation_fraction=0.1, n_iter_no_change=20, tol=0)
    train, test = parts != "test", parts == "test"
    if table.regression:
        scaler = StandardScaler().fit(target[train].to_numpy().reshape(-1, 1))
        model = make_pipeline(encode, MLPRegressor(**settings))
        model.fit(inputs[train], scaler.transform(target[train].to_numpy().reshape(-1, 1)).ravel())
        found = scaler.inverse_transform(model.predict(inputs[test]).reshape(-1, 1)).ravel()
        return {"score": r2_score(target[test], found)}
    target = target.astype(str)
    model = make_pipeline(encode, MLPClassifier(**settings))
    weights = {}
    if balanced:
        counts = target[train].value_counts()
        weights["mlpclassifier__sample_weight"] = (train.sum() / len(counts) / target[train].map(counts)).to_numpy()
    model.fit(inputs[train], target[train], **weights)
    scores = {"score": accuracy_score(target[test], model.predict(inputs[test]))}
    if table.rare:
        place = list(model[-1].classes_).index(table.rare)
        scores.update(ranking(target[test] == table.rare, model.predict_proba(inputs[test])[:, place]))
    return scores


@functools.cache
def tables(data):
    makers = [titanic, adult, ames, bank, wine, air, survey, data_frame, credit, sensor]
    return [make(numpy.random.default_rng(2026 + place)) for place, make in enumerate(makers)] + list(real(data))


def one(job):
    """Both on one table by one seed: scores by name."""
    program, data, number, seed = job
    warnings.filterwarnings("ignore")
    table = tables(data)[number]
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = table.path
            if path is None:
                path = Path(folder) / f"{table.name}{table.suffix}"
                path.write_bytes(table.text().encode())
            ours, parts, wrong = gimbal(program, table, path, seed, folder)
            inputs, truth = frame(table, path)
            if len(parts) != len(inputs):
                raise RuntimeError(f"{len(parts)} rows here, {len(inputs)} in pandas")
            pairs = {name: (ours[name], score) for name, score in scikit(table, inputs, truth, parts, seed).items()}
            if table.rare:
                ours, parts, more = gimbal(program, table, path, seed, folder, ["--class-weights", "balanced"])
                theirs = scikit(table, inputs, truth, parts, seed, balanced=True)
                pairs |= {f"{name}, balanced": (ours[name], score) for name, score in theirs.items()}
                wrong += more
            return number, seed, pairs, wrong
    except Exception as error:
        return number, seed, {}, [f"{type(error).__name__}: {error}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gimbal", default=str(ROOT / ".build/release/gimbal"))
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--only", help="names of tables, separated by commas")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--output", type=Path, default=ROOT / f"Benchmarks/results/{datetime.date.today()}-tables.md")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    every = tables(arguments.data)
    chosen = [number for number, table in enumerate(every) if not arguments.only or table.name in arguments.only.split(",")]
    jobs = [(arguments.gimbal, arguments.data, number, seed) for number in chosen for seed in seeds]
    loads, found, rows, wrong = [], {}, [], []
    with multiprocessing.Pool(arguments.processes) as pool:
        for number, seed, pairs, complaints in pool.imap(one, jobs):
            name = every[number].name
            loads.append(os.getloadavg()[0])
            wrong += [f"{name}, seed {seed}: {complaint}" for complaint in complaints]
            for complaint in complaints:
                print(f"{name}, seed {seed}: {complaint}", flush=True)
            for score, pair in pairs.items():
                found.setdefault((number, score), []).append(pair)
            if seed != seeds[-1]:
                continue
            for (table, score), pairs in found.items():
                if table == number:
                    score = score.replace("score", "R²" if every[number].regression else "accuracy")
                    rows.append(row(every[number], score, pairs))
                    print(rows[-1], flush=True)
    text = [
        f"# Messy tables beside scikit-learn, {datetime.date.today()}", "",
        f"Mean and standard deviation over {len(seeds)} seeds; each seed is another split, the same for both "
        f"(`Benchmarks/tables.py`, scikit-learn {sklearn.__version__}). The difference is of pairs, with its standard error; "
        f"t is one by the other. CPU, {os.cpu_count()} cores, shared with other work: load {min(loads):.1f} to {max(loads):.1f}.",
        "", "| table | rows | score | gimbal | scikit-learn | difference | t |", "| --- | --- | --- | --- | --- | --- | --- |",
        *rows, "",
        "`evaluate` gave the figures of training and `predict` those of the test rows in every run."
        if not wrong else "Not borne out by `evaluate` or `predict`:\n\n" + "\n".join(f"- {line}" for line in wrong), ""]
    arguments.output.write_text("\n".join(text))
    sys.exit(1 if wrong else 0)


def row(table, score, pairs):
    differences = [a - b for a, b in pairs]
    error = statistics.stdev(differences) / len(pairs) ** 0.5 if len(pairs) > 1 else 0
    mean = statistics.mean(differences)
    cells = [f"{statistics.mean(part):.4f} ± {statistics.stdev(part) if len(part) > 1 else 0:.4f}" for part in zip(*pairs)]
    return (
        f"| {table.name} | {int(table.has_target.sum())} | {score} | {cells[0]} | {cells[1]} | {mean:+.4f} ± {error:.4f} | "
        f"{mean / error if error else 0:+.1f} |")


if __name__ == "__main__":
    main()
