"""Texts: sentences with labels, vocabularies, near words, and how likely word after word is.

A *vocabulary* turns a text into the word numbers of one model: int64, 0 where nothing stands, 1 for a
word that it lacks, and from 2 on its words, in lower case. A *lexicon* turns texts into numbers of
pieces that give the text back exactly, capitals and spaces among them; a search changes these.
"""

from ._bigrams import Bigrams
from ._lexicon import Lexicon, closed, cut, is_content, replacements
from ._read import FileTexts, TextLine, read_texts, texts_of_file
from ._texts import (
    FIRST,
    PADDING,
    POLARITY,
    UNKNOWN,
    Part,
    Sentences,
    Vocabulary,
    part_of,
    read_polarity,
    tokens,
)
from ._vectors import FEWEST_TEXTS, WordVectors

__all__ = [
    "FEWEST_TEXTS",
    "FIRST",
    "PADDING",
    "POLARITY",
    "UNKNOWN",
    "Bigrams",
    "FileTexts",
    "Lexicon",
    "Part",
    "Sentences",
    "TextLine",
    "Vocabulary",
    "WordVectors",
    "closed",
    "cut",
    "is_content",
    "part_of",
    "read_polarity",
    "read_texts",
    "replacements",
    "texts_of_file",
    "tokens",
]
