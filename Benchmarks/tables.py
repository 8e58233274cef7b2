#!/usr/bin/env python3
"""Trains on messy tables with `gimbal train` and with scikit-learn's own pipeline, on the same rows.

    GIMBAL_WRITE_TABLES=DIR swift test --filter TableSplitTests      # writes the ten tables that the tests make
    Benchmarks/tables.py --tables DIR [--gimbal .build/release/gimbal] [--seeds 0,1,2,3,4]

scikit-learn's pipeline is what its documentation recommends: the median and an indicator for missing numbers, one-hot
categories (unknown ones ignored, at most 32 values), standardised numbers, and an MLP of the same size (two layers of 64
units, Adam at 0.001, batches of 32, 60 epochs, no weight decay). Where pandas has to be told how a file is written, or which
columns are no inputs, that is in TABLES below; `gimbal` is told the target alone. Each seed is another split, which `gimbal`
writes down (--write-split) and scikit-learn uses. Writes results/DATE-tables.md.
"""
import argparse
import datetime
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROOT = Path(__file__).resolve().parent.parent

# name, target, regression, options of pandas, columns that are dropped, columns of dates
TABLES = [
    ("Titanic", "Survived", False, {}, ["PassengerId", "Name", "Ticket", "Cabin"], []),
    ("Adult", "8", False, {"header": None, "skipinitialspace": True}, [], []),
    ("Ames", "SalePrice", True, {}, ["Order", "PID"], []),
    ("bank", "y", False, {"sep": ";"}, [], []),
    ("wine", "quality", False, {"sep": ";"}, [], []),
    ("air quality", "CO(GT)", True, {"sep": ";", "decimal": ","}, ["Unnamed: 6", "Unnamed: 7"], ["Date", "Time"]),
    ("survey", "Seeks treatment", False, {"keep_default_na": False, "na_values": {"Seeks treatment": [""]}},
     ["What do you say?"], ["Timestamp"]),
    ("frame", "3", False, {"index_col": 0}, [], []),
    ("credit", "default.payment.next.month", False, {}, ["ID"], []),
    ("sensor", "reading", True, {"sep": "\t"}, [], []),
]


def gimbal(program, path, target, regression, seed, folder):
    """The score that `gimbal train` ends with, and the part of each row."""
    split = f"{folder}/split"
    command = [
        program, "train", "--data", str(path), "--target", target, "--seed", str(seed), "--hidden", "64", "--layers", "2",
        "--norm", "none", "--optimizer", "adam", "--lr", "0.001", "--batch-size", "32", "--epochs", "60", "--clip-norm", "0",
        "--device", "cpu", "--json", "--write-split", split, "--run-dir", f"{folder}/run{seed}",
    ]
    command += ["--task", "regression"] if regression else []
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = json.loads(output.splitlines()[-1])
    parts = Path(split).read_text().split()
    return result["testR2" if regression else "testAccuracy"], numpy.array(parts)


def frame(path, target, pandas_options, dropped, dates):
    """The table as pandas reads it: inputs and target, rows without a target left out."""
    table = pandas.read_csv(path, **pandas_options)
    if pandas_options.get("header", 0) is None:
        table.columns = [str(column + 1) for column in table.columns]
    table = table.dropna(how="all")
    table = table[table[target].notna() & (table[target].astype(str) != "")]
    for column in dates:
        if column == "Time":
            moments = pandas.to_datetime(table[column], format="%H.%M.%S")
        else:
            moments = pandas.to_datetime(table[column], dayfirst="/" in str(table[column].iloc[0]))
        turn = 2 * numpy.pi * (moments.dt.hour * 60 + moments.dt.minute) / 1440
        table[column + " sine"], table[column + " cosine"] = numpy.sin(turn), numpy.cos(turn)
        table[column + " day"] = (moments - moments.min()).dt.days
    return table.drop(columns=[target, *dropped, *dates]), table[target]


def scikit(inputs, target, parts, regression, seed):
    """The score of scikit-learn's pipeline on the same rows."""
    numbers = inputs.select_dtypes("number").columns
    texts = [column for column in inputs.columns if column not in numbers]
    encode = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
        ("texts", make_pipeline(
            SimpleImputer(strategy="constant", fill_value="missing"),
            OneHotEncoder(handle_unknown="ignore", max_categories=32)), texts),
    ])
    settings = dict(
        hidden_layer_sizes=(64, 64), batch_size=32, learning_rate_init=0.001, max_iter=60, alpha=0, random_state=seed,
        n_iter_no_change=1000, tol=0)
    train, test = parts == "training", parts == "test"
    if regression:
        scaler = StandardScaler().fit(target[train].to_numpy().reshape(-1, 1))
        model = make_pipeline(encode, MLPRegressor(**settings))
        model.fit(inputs[train], scaler.transform(target[train].to_numpy().reshape(-1, 1)).ravel())
        found = scaler.inverse_transform(model.predict(inputs[test]).reshape(-1, 1)).ravel()
        return r2_score(target[test], found)
    model = make_pipeline(encode, MLPClassifier(**settings))
    model.fit(inputs[train], target[train])
    return accuracy_score(target[test], model.predict(inputs[test]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", required=True)
    parser.add_argument("--gimbal", default=str(ROOT / ".build/release/gimbal"))
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    rows = []
    for name, target, regression, pandas_options, dropped, dates in TABLES:
        path = Path(arguments.tables) / f"{name}.csv"
        inputs, truth = frame(path, target, pandas_options, dropped, dates)
        scores = []
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                ours, parts = gimbal(arguments.gimbal, path, target, regression, seed, folder)
            assert len(parts) == len(inputs), f"{name}: {len(parts)} rows here, {len(inputs)} in pandas"
            scores.append((ours, scikit(inputs, truth, parts, regression, seed)))
        (ours, theirs) = zip(*scores)
        spread = [statistics.stdev(part) if len(part) > 1 else 0 for part in (ours, theirs)]
        rows.append(
            f"| {name} | {'R²' if regression else 'accuracy'} | {statistics.mean(ours):.4f} ± {spread[0]:.4f} | "
            f"{statistics.mean(theirs):.4f} ± {spread[1]:.4f} | "
            f"{statistics.mean(a - b for a, b in scores):+.4f} |")
        print(rows[-1], flush=True)
    text = [
        f"# Messy tables beside scikit-learn, {arguments.date}", "",
        f"Mean and standard deviation over {len(seeds)} seeds; each seed is another split, the same for both. Tables are those of "
        "the tests, in the shapes of public ones. CPU.", "",
        "| table | score | gimbal | scikit-learn | difference |", "| --- | --- | --- | --- | --- |", *rows, ""]
    (ROOT / "Benchmarks/results" / f"{arguments.date}-tables.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
