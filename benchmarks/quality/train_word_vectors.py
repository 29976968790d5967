"""Makes ``models/word_vectors_reviews.safetensors`` from the training part of sentence polarity.

python benchmarks/quality/train_word_vectors.py --data FOLDER [--out FILE]
"""

import argparse
from pathlib import Path

from cfsearch.datasets.text import Part, WordVectors, read_polarity

SOURCE = "film reviews (8,516 lines of sentence polarity 1.0)"


def main() -> None:
    """Learn the vectors, write them, and print the neighbours of a few words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="The folder of rt-polarity.neg and .pos.")
    parser.add_argument("--out", type=Path, default=Path("models/word_vectors_reviews.safetensors"))
    given = parser.parse_args()
    texts = read_polarity(given.data).part(Part.TRAIN).texts
    WordVectors.of(texts, source=SOURCE, least=5).save(given.out)
    vectors = WordVectors.read(given.out)
    print(f"{len(vectors.words):,} words, {given.out.stat().st_size:,} bytes")
    for word in ("dull", "fine", "funny", "film", "bad", "slow", "moving", "works"):
        near = vectors.near(word, least=0.3)[:8]
        print(f"{word}: {', '.join(f'{other} {cosine:.2f}' for other, cosine in near)}")


if __name__ == "__main__":
    main()
