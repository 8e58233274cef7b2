"""PyTorch's models of pairs of texts, as `gimbal train --model transformer-seq2seq` and `seq2seq` build and train them.

    sequence_to_sequence.py split PAIRS FOLDER       writes train.tsv, test.tsv and tok.json into the folder
    sequence_to_sequence.py MODEL FOLDER [EPOCHS]    trains on them, and tells BLEU of what the model writes

MODEL is transformer-seq2seq or seq2seq. A pair is a line with a tab between its texts. Besides sacreBLEU's score with its own
tokens it tells that over the words and signs which `testBLEU` of Gimbal is over.
"""
import random
import re
import sys
import time

import sacrebleu
import torch
import torch.nn as nn
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<pad>", "<s>", "</s>"]
BATCH, SIZE, IGNORED = 64, 256, -100


def read(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [tuple(line.rstrip("\n").split("\t")[:2]) for line in file]


def split(path, folder):
    """Holds back a tenth of the sources with all their pairs, and learns 4,000 byte pairs from the others."""
    pairs = read(path)
    sources = list(dict.fromkeys(source for source, _ in pairs))
    random.Random(1).shuffle(sources)
    held_back = set(sources[:round(len(sources) / 10)])
    parts = {"train": [pair for pair in pairs if pair[0] not in held_back],
             "test": [pair for pair in pairs if pair[0] in held_back]}
    for name, part in parts.items():
        with open(f"{folder}/{name}.tsv", "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{source}\t{target}\n" for source, target in part)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        (text for pair in parts["train"] for text in pair),
        trainers.BpeTrainer(vocab_size=4000, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.save(f"{folder}/tok.json")
    print({name: len(part) for name, part in parts.items()}, tokenizer.get_vocab_size())


class Transformer(nn.Module):
    """Norms come first, as do vectors of positions that are learned."""

    def __init__(self, vocabulary, padding, length, heads=4, layers=3, dropout=0.1):
        super().__init__()
        self.padding = padding

        def table(count):
            return nn.Parameter(torch.randn(count, SIZE) * 0.02)

        def layer(kind):
            return kind(SIZE, heads, 4 * SIZE, dropout, "gelu", batch_first=True, norm_first=True)

        self.source_tokens, self.target_tokens = table(vocabulary), table(vocabulary)
        self.source_positions, self.target_positions = table(length), table(length)
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.ModuleList(layer(nn.TransformerEncoderLayer) for _ in range(layers))
        self.decoder = nn.ModuleList(layer(nn.TransformerDecoderLayer) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(SIZE), nn.LayerNorm(SIZE)
        self.head = nn.Linear(SIZE, vocabulary)

    def encode(self, source):
        padding = source == self.padding
        x = self.dropout(self.source_tokens[source] + self.source_positions[:source.shape[1]])
        for layer in self.encoder:
            x = layer(x, src_key_padding_mask=padding)
        return self.encoder_norm(x), padding

    def decode(self, target, memory, padding):
        length = target.shape[1]
        x = self.dropout(self.target_tokens[target] + self.target_positions[:length])
        mask = torch.ones(length, length, dtype=torch.bool).triu(1)
        for layer in self.decoder:
            x = layer(x, memory, tgt_mask=mask, tgt_is_causal=True, memory_key_padding_mask=padding)
        return self.head(self.decoder_norm(x))

    def parameter_groups(self):
        return [{"params": [p for p in self.parameters() if p.dim() > 1], "weight_decay": 0.01},
                {"params": [p for p in self.parameters() if p.dim() <= 1], "weight_decay": 0.0}]


class Recurrent(nn.Module):
    """A LSTM that reads in both directions, and one that writes and attends to it, by the general score of Luong et al."""

    def __init__(self, vocabulary, padding, length, dropout=0.2):
        super().__init__()
        self.padding = padding
        self.source_tokens, self.target_tokens = (
            nn.Parameter(torch.empty(vocabulary, SIZE).uniform_(-0.1, 0.1)) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.LSTM(SIZE, SIZE, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(SIZE, SIZE, batch_first=True)
        self.bridges = nn.ModuleList(nn.Linear(2 * SIZE, SIZE) for _ in range(2))
        self.score, self.output = nn.Linear(2 * SIZE, SIZE, bias=False), nn.Linear(3 * SIZE, SIZE, bias=False)
        self.head = nn.Linear(SIZE, vocabulary)

    def encode(self, source):
        is_there = source != self.padding
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.source_tokens[source]), is_there.sum(1), batch_first=True, enforce_sorted=False)
        outputs, last = self.encoder(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
        first = [bridge(state.transpose(0, 1).flatten(1)).tanh().unsqueeze(0) for bridge, state in zip(self.bridges, last)]
        return memory, is_there, tuple(first)

    def decode(self, target, memory, is_there, first):
        x, _ = self.decoder(self.dropout(self.target_tokens[target]), first)
        scores = x @ self.score(memory).transpose(1, 2)
        weights = scores.masked_fill(~is_there.unsqueeze(1), -torch.inf).softmax(-1)
        return self.head(self.dropout(self.output(torch.cat([weights @ memory, x], dim=2)).tanh()))

    def parameter_groups(self):
        return [{"params": list(self.parameters()), "weight_decay": 0.0}]


def padded(rows, filling):
    width = max(map(len, rows))
    return torch.tensor([row + [filling] * (width - len(row)) for row in rows])


def batches(pairs):
    """Pairs in random order, of every hundred batches those of like lengths together, and these in random order."""
    order, result = random.sample(range(len(pairs)), len(pairs)), []
    for start in range(0, len(order), 100 * BATCH):
        part = sorted(order[start:start + 100 * BATCH], key=lambda place: tuple(map(len, pairs[place])))
        result += [part[begin:begin + BATCH] for begin in range(0, len(part), BATCH)]
    random.shuffle(result)
    return [[pairs[place] for place in batch] for batch in result]


def write(model, sources, begin, end, length):
    """The most probable token always."""
    targets = [None] * len(sources)
    order = sorted(range(len(sources)), key=lambda place: len(sources[place]))
    for start in range(0, len(order), BATCH):
        places = order[start:start + BATCH]
        encoded = model.encode(padded([sources[place] for place in places], model.padding))
        target = torch.full((len(places), 1), begin)
        ended = torch.zeros(len(places), dtype=torch.bool)
        while target.shape[1] <= length and not ended.all():
            token = model.decode(target, *encoded)[:, -1].argmax(1)
            ended |= token == end
            target = torch.cat([target, token.unsqueeze(1)], dim=1)
        for place, row in zip(places, target[:, 1:].tolist()):
            targets[place] = row[:row.index(end)] if end in row else row[:length]
    return targets


def words(text):
    """Words with apostrophes and hyphens inside, and every other sign by itself."""
    word = r"(?:[^\W_]|[\u0300-\u036f])+"
    return " ".join(re.findall(rf"{word}(?:['’\-‐]{word})*|\S", text))


def train(kind, folder, epochs=10):
    tokenizer = Tokenizer.from_file(f"{folder}/tok.json")
    padding, begin, end = map(tokenizer.token_to_id, SPECIAL)
    texts = {part: read(f"{folder}/{part}.tsv") for part in ("train", "test")}
    pairs = {part: [tuple(tokenizer.encode(text).ids for text in pair) for pair in rows] for part, rows in texts.items()}
    length = max(max(len(source), len(target) + 1) for part in pairs.values() for source, target in part)
    is_transformer = kind == "transformer-seq2seq"
    model = (Transformer if is_transformer else Recurrent)(tokenizer.get_vocab_size(), padding, length)
    print(f"{len(pairs['train'])} pairs to train on, {len(pairs['test'])} held back, texts of at most {length} tokens, "
          f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    rate = 1e-3 if is_transformer else 2e-3
    optimizer = (torch.optim.AdamW if is_transformer else torch.optim.Adam)(model.parameter_groups(), lr=rate)
    steps = epochs * -(-len(pairs["train"]) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, cycle_momentum=False)

    def loss_of(batch, reduction="mean"):
        source = padded([source for source, _ in batch], padding)
        target = padded([[begin] + target for _, target in batch], padding)
        labels = padded([target + [end] for _, target in batch], IGNORED)
        logits = model.decode(target, *model.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction=reduction)

    for epoch in range(epochs):
        total = count = 0
        model.train()
        for batch in batches(pairs["train"]):
            optimizer.zero_grad()
            loss = loss_of(batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total, count = total + loss.item(), count + 1
        model.eval()
        with torch.no_grad():
            tested = [pairs["test"][start:start + BATCH] for start in range(0, len(pairs["test"]), BATCH)]
            tokens = sum(len(target) + 1 for _, target in pairs["test"])
            test_loss = sum(loss_of(batch, "sum").item() for batch in tested) / tokens
        print(f"epoch {epoch + 1}  trainLoss {total / count:.4f}  testLoss {test_loss:.4f}  "
              f"processor {time.process_time():.0f} s", flush=True)

    with torch.no_grad():
        written = write(model, [source for source, _ in pairs["test"]], begin, end, length)
    written = [tokenizer.decode(target) for target in written]
    references = [target for _, target in texts["test"]]
    with open(f"{folder}/{kind}.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{text}\n" for text in written)
    own = sacrebleu.corpus_bleu(list(map(words, written)), [list(map(words, references))], tokenize="none", force=True)
    print(f"BLEU {own.score:.4f} over words and signs, {sacrebleu.corpus_bleu(written, [references]).score:.4f} over "
          f"sacreBLEU's tokens")


torch.set_num_threads(1)
torch.manual_seed(0)
if sys.argv[1] == "split":
    split(*sys.argv[2:4])
else:
    random.seed(0)
    train(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
