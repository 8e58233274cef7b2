#!/usr/bin/env python3
"""Writes Fixtures/: tokenizers that Hugging Face's `tokenizers` made, and what it encodes and decodes with them.

    python -m venv venv && venv/bin/pip install tokenizers==0.23.3
    venv/bin/python make_fixtures.py ENGLISH.txt OTHER.txt

ENGLISH is a text in ASCII, OTHER one in another alphabet; the first 60,000 characters of each are learned from. The files
that are there were made from tinyshakespeare and from the Russian sentences of a file of pairs.

NAME.json        a tokenizer.json
NAME.cases.json  a list of {"text", "ids": without the tokens of the template, "whole": with them, "decoded": of ids}
"""
import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ENGLISH, OTHER = (open(path, encoding="utf-8").read()[:60000] for path in sys.argv[1:3])
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Fixtures")
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = CONTRACTIONS + (
    r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
BEFORE = r"[^\r\n\p{L}\p{N}]?"
O200K = (
    f"{BEFORE}{UPPER}*{LOWER}+{CONTRACTIONS}?|{BEFORE}{UPPER}+{LOWER}*{CONTRACTIONS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

TEXTS = [
    "", " ", "  ", "\n", "a", " a", "a ", " \n", "\n ", "  \n\n  z", "  a  b   c \n\n d\t\te\r\n\r\n f \r g",
    "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.",
    "Съешь ещё этих мягких французских булок, да выпей чаю.", "tab\tword\t\tx   \n   \n  y  ",
    "😀😃👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 flags 🇩🇪🇷🇺", "don't I'LL we've YOU'RE it'S ſ'ſ o'ſx 'S' 'T 'RE 're",
    "12345678901234567890 1,234.56 ٣٤٥ ½ Ⅷ x2y3", "a" * 300, "ab" * 80 + " " + "the" * 60,
    "é e\u0301 Å \u212b ﬁ ① ㎏ ǅ", "\u00a0nbsp\u2003em\u3000ideo\u0085nel\u2028ls", "\x00\x01 nul\x00 \x7f",
    "<|endoftext|>hi<|endoftext|> there<|im_start|>user\n <|im_end|>  <s>x</s> <mask> [X] <extra> word<extra>word",
    "中文字符 漢字 かな カナ 한국어", "นี่คือ हिन्दी العربية עברית", "_under_score__ -- --- ... ?! #hash @at $5 100% a/b\\c",
    "\ufeffBOM\u200bzw", "CamelCaseWord HTTPServer iPhone ÀÉÎ ǅungla MacOS\u0301x ʰaʰA", "▁x ▁▁y", "<0x0A> \ud7ff",
    "İSTANBUL Straße ΣΑΣ",
]
random.seed(0)
for _ in range(40):
    pool = "abcXYZ   \n\t\r0123456789'.,!?-_/é\u0301ßЖж中😀\u00a0½stmdrevl"
    TEXTS.append("".join(random.choice(pool) for _ in range(random.randint(1, 40))))


def save(name, tokenizer):
    tokenizer.save(os.path.join(FOLDER, name + ".json"))
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({
            "text": text, "ids": ids, "whole": tokenizer.encode(text).ids,
            "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    with open(os.path.join(FOLDER, name + ".cases.json"), "w") as file:
        json.dump(cases, file, separators=(",", ":"))


def byte_level(name, pre, normalizer=None, special=("<|endoftext|>",), added=(), post=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([ENGLISH, OTHER], trainers.BpeTrainer(
        vocab_size=600, special_tokens=list(special), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False, min_frequency=2))
    tokenizer.add_tokens(list(added))
    if post:
        tokenizer.post_processor = post
    save(name, tokenizer)


def spaces_marked(name, pre, decoder, normalizer=None, fallback=True, fuse=True, post=None):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse, byte_fallback=fallback))
    special = ["<unk>", "<s>", "</s>"] + (["<0x%02X>" % byte for byte in range(256)] if fallback else [])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator([text.replace("\n", " ") for text in (ENGLISH, OTHER)], trainers.BpeTrainer(
        vocab_size=400 + len(special), special_tokens=special, limit_alphabet=90, show_progress=False))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    file = json.loads(tokenizer.to_str())
    if not pre:
        file["pre_tokenizer"] = None
    file["added_tokens"] = [token for token in file["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(file))
    if post:
        tokenizer.post_processor = post
    save(name, tokenizer)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(pattern, behavior, invert),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


byte_level(
    "prefix-space", pre_tokenizers.ByteLevel(add_prefix_space=True),
    normalizer=normalizers.Sequence([normalizers.NFC()]))
byte_level(
    "llama3", split(Regex(LLAMA3)), special=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], ignore_merges=True,
    post=processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<|im_start|> $A <|im_end|>", special_tokens=[("<|im_start|>", 1), ("<|im_end|>", 2)])]))
byte_level("qwen2", split(Regex(LLAMA3.replace("{1,3}", ""))), normalizer=normalizers.NFC())
byte_level("o200k", split(Regex(O200K), "removed", True))
byte_level(
    "digits", pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
    normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]))
byte_level(
    "literals", pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split(".", "merged_with_previous"),
        pre_tokenizers.Split("-", "merged_with_next"), pre_tokenizers.Split("!", "isolated"),
        pre_tokenizers.Split("?", "removed"), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
    normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.NFKD()]))
byte_level(
    "added", pre_tokenizers.ByteLevel(add_prefix_space=False), added=[
        AddedToken("<mask>", lstrip=True, special=True, normalized=False),
        AddedToken("<extra>", single_word=True, normalized=True), AddedToken("  ", normalized=False),
        AddedToken("[X]", rstrip=True, lstrip=True, normalized=True), AddedToken("don't", normalized=True),
        AddedToken("don", normalized=False)])
SENTENCEPIECE = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
spaces_marked(
    "llama2", None, decoders.Sequence(SENTENCEPIECE + [decoders.Strip(" ", 1, 0)]),
    normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
    post=processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]))
spaces_marked(
    "gemma", pre_tokenizers.Split(" ", "merged_with_previous"), decoders.Sequence(SENTENCEPIECE),
    normalizer=normalizers.Replace(" ", "▁"))
spaces_marked(
    "metaspace-first", pre_tokenizers.Metaspace(prepend_scheme="first"), decoders.Metaspace(prepend_scheme="first"),
    fallback=False)
spaces_marked(
    "metaspace-never", pre_tokenizers.Metaspace(prepend_scheme="never", split=False),
    decoders.Metaspace(prepend_scheme="never"), fallback=False, fuse=False)
