"""The runs that are killed: a net of every kind, and between them every setting that keeps a state."""
import math
import random
import struct
import zlib

MLP = ["--data", "digits", "--hidden", "16", "--batch-size", "128", "--epochs", "16"]
DIGITS = ["--data", "digits", "--batch-size", "256", "--hidden"]
TEXT = ["--data", "text.txt", "--hidden", "16", "--length", "16", "--batch-size", "16", "--epochs", "3"]
PAIRS = ["--data", "pairs.tsv", "--hidden", "16", "--batch-size", "32", "--epochs", "4"]
CLASSES = ["--data", "classes.csv", "--target", "kind", "--hidden", "8"]
SERIES = ["--data", "series.csv", "--task", "forecast", "--window", "12", "--hidden", "8", "--batch-size", "32"]

# By name; each takes about half a second, most of which is the start of the program.
NETS = {
    # Every optimizer, with a schedule, a way of clipping and an average of its own.
    "sgd": [*MLP, "--momentum", "0.9", "--nesterov", "--schedule", "plateau", "--plateau-patience", "0",
            "--checkpoint-every", "3"],
    "adam": [*MLP, "--optimizer", "adam", "--lr", "0.01", "--schedule", "cosine", "--warmup", "7", "--dropout", "0.2",
             "--checkpoint-every", "2"],
    "adamw": [*MLP, "--optimizer", "adamw", "--precision", "float16", "--schedule", "one-cycle", "--non-finite",
              "skip", "--checkpoint-every", "5"],
    "amsgrad": [*MLP, "--optimizer", "amsgrad", "--lookahead", "3", "--schedule", "step", "--step-epochs", "2",
                "--checkpoint-every", "4"],
    "nadam": [*MLP, "--optimizer", "nadam", "--ema", "0.9", "--weights", "averaged", "--checkpoint-every", "3"],
    "radam": [*MLP, "--optimizer", "radam", "--lr", "0.05", "--early-stopping", "1", "--schedule", "cosine-restarts",
              "--step-epochs", "2"],
    "adamax": [*MLP, "--optimizer", "adamax", "--clip-percentile", "30", "--clip-norm", "0", "--checkpoint-every", "3"],
    "lamb": [*MLP, "--optimizer", "lamb", "--accumulate", "3", "--schedule", "noam", "--warmup", "6",
             "--checkpoint-every", "1"],
    "lion": [*MLP, "--optimizer", "lion", "--gradient-noise", "0.01", "--max-norm", "2", "--l1", "0.0001",
             "--schedule", "multi-step", "--milestones", "2,4", "--checkpoint-every", "6"],
    "rmsprop": [*MLP, "--optimizer", "rmsprop", "--momentum", "0.5", "--schedule", "cyclic", "--step-epochs", "1",
                "--clip-layer", "0.5", "--checkpoint-every", "3"],
    "adagrad": [*MLP, "--optimizer", "adagrad", "--mixup", "0.4", "--schedule", "exponential", "--step-factor", "0.9",
                "--clip-adaptive", "0.05", "--weights", "last"],
    "adadelta": [*MLP, "--optimizer", "adadelta", "--augment", "shift,rotate", "--schedule", "polynomial",
                 "--max-steps", "150", "--checkpoint-every", "7", "--histograms", "5"],
    "recovering": [*MLP, "--lr", "1000", "--clip-norm", "0", "--norm", "none", "--auto-recover", "--checkpoint-every",
                   "4"],
    "seconds": [*MLP, "--norm", "group", "--save-seconds", "1", "--precision", "bfloat16", "--dropout", "0.5"],
    # The other kinds of models.
    "resnet20": [*DIGITS, "4", "--model", "resnet20", "--epochs", "2", "--augment", "crop,cutout", "--checkpoint-every",
                 "4"],
    "resnet18": [*DIGITS, "4", "--model", "resnet18", "--epochs", "2", "--ema", "0.8", "--mixup", "0.3",
                 "--checkpoint-every", "3"],
    "pictures": ["--data", "pictures", "--model", "resnet20", "--hidden", "4", "--batch-size", "16", "--epochs", "3",
                 "--augment", "flip,shift", "--checkpoint-every", "2"],
    "rnn": [*DIGITS, "12", "--model", "rnn", "--epochs", "5", "--checkpoint-every", "4"],
    "lstm": [*DIGITS, "12", "--model", "lstm", "--layers", "2", "--dropout", "0.2", "--epochs", "4", "--ema", "0.9",
             "--checkpoint-every", "5"],
    "gru": [*DIGITS, "12", "--model", "gru", "--bidirectional", "--epochs", "5", "--accumulate", "2",
            "--checkpoint-every", "2"],
    "tcn": [*DIGITS, "8", "--model", "tcn", "--epochs", "4", "--dropout", "0.1", "--checkpoint-every", "5"],
    "transformer": [*DIGITS, "16", "--model", "transformer", "--heads", "2", "--layers", "1", "--epochs", "4",
                    "--dropout", "0.1", "--checkpoint-every", "4"],
    "lstm-lm": [*TEXT, "--model", "lstm-lm", "--layers", "1", "--checkpoint-every", "8"],
    "gru-lm": [*TEXT, "--model", "gru-lm", "--layers", "2", "--tokenizer", "words", "--checkpoint-every", "5"],
    "transformer-lm": [*TEXT, "--model", "transformer-lm", "--layers", "1", "--ema", "0.9", "--checkpoint-every", "9"],
    "seq2seq": [*PAIRS, "--model", "seq2seq", "--vocabulary", "300", "--checkpoint-every", "3"],
    "transformer-seq2seq": [*PAIRS, "--model", "transformer-seq2seq", "--layers", "1", "--vocabulary", "300",
                            "--schedule", "noam", "--warmup", "9", "--checkpoint-every", "4"],
    "classes": [*CLASSES, "--class-weights", "balanced", "--epochs", "9", "--early-stopping", "2"],
    "numbers": ["--data", "numbers.csv", "--task", "regression", "--target", "price", "--hidden", "8", "--epochs", "8",
                "--loss", "huber", "--checkpoint-every", "3"],
    "series": [*SERIES, "--epochs", "8", "--horizon", "2", "--checkpoint-every", "3"],
    "series-lstm": [*SERIES, "--model", "lstm", "--epochs", "5", "--schedule", "plateau", "--plateau-patience", "0",
                    "--checkpoint-every", "4"],
    "folds": [*CLASSES, "--folds", "2", "--epochs", "4", "--checkpoint-every", "3"],
    # Several ranks: threads of one process (their devices are put in place of --device), and processes.
    "threads": [*MLP, "--ranks", "threads", "--sync-batch-norm", "--checkpoint-every", "4", "--ema", "0.9"],
    "sharded": [*MLP, "--ranks", "threads", "--optimizer", "adam", "--shard-optimizer", "--wire", "bfloat16",
                "--checkpoint-every", "3"],
    "processes": [*MLP, "--ranks", "processes", "--optimizer", "adam", "--dropout", "0.1", "--checkpoint-every", "4"],
}

# A run that goes back where it diverges has other states to go back to after it was stopped, and ends with other bits.
OTHER_BITS = {"recovering"}


def picture(side, shade):
    """The bytes of a grey PNG file: a ramp from top to bottom, or from left to right, by its shade."""
    rows = b"".join(b"\0" + bytes((shade + 9 * (y if shade % 2 else x)) % 256 for x in range(side))
                    for y in range(side))
    part = lambda name, body: (struct.pack(">I", len(body)) + name + body
                               + struct.pack(">I", zlib.crc32(name + body)))
    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
            + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b""))


def write_data(folder):
    """Writes the data that the nets above are trained on, the same every time."""
    chance = random.Random(1)
    lines = [",".join([f"{chance.gauss(kind, 1):.3f}" for _ in range(4)] + ["abc"[kind]]) for kind in range(3)
             for _ in range(60)]
    chance.shuffle(lines)
    (folder / "classes.csv").write_text("\n".join(["p,q,r,s,kind", *lines]) + "\n")
    rows = [[chance.gauss(0, 1) for _ in range(4)] for _ in range(200)]
    lines = [",".join(f"{x:.3f}" for x in [*row, 2 * row[0] - row[1] * row[2] + chance.gauss(0, 0.1)]) for row in rows]
    (folder / "numbers.csv").write_text("\n".join(["p,q,r,s,price", *lines]) + "\n")
    lines = [f"{10 * math.sin(t / 4) + t / 30 + chance.gauss(0, 1):.3f}" for t in range(240)]
    (folder / "series.csv").write_text("\n".join(["sales", *lines]) + "\n")
    words = "the a dog cat sees hears runs sleeps in on house tree old small red".split()
    (folder / "text.txt").write_text(" ".join(chance.choice(words) for _ in range(2000)))
    sentences = [[chance.choice(words) for _ in range(chance.randint(2, 5))] for _ in range(240)]
    (folder / "pairs.tsv").write_text("".join(
        f"{' '.join(s)}\t{' '.join(word[::-1] for word in reversed(s))}\n" for s in sentences))
    for number in range(96):
        place = folder / "pictures" / ("across", "down")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(picture(8, number))
