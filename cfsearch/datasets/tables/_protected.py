"""Columns whose names say that they hold what law protects, in several languages."""

from collections.abc import Sequence
from typing import Final

from cfsearch.errors import listed

from ._names import words_of
from ._schema import TableSchema

_WORDS: Final = {
    "sex": "sex gender female male geschlecht sexe genre sexo género genero sesso genere geslacht płeć plec kön kon "
    "cinsiyet pohlaví nem køn sukupuoli пол",
    "age": "age alter lebensalter âge edad età idade leeftijd wiek ålder alder yaş yas ikä возраст dob birth birthday "
    "birthdate birthyear yob geburtsdatum geburtsjahr naissance nacimiento nascita nascimento geboortedatum "
    "urodzenia födelsedatum doğum",
    "race": "race races racial rasse hautfarbe raza razza raça raca ras rasa irk ethnicity ethnic ethnie "
    "ethnicité ethnizität etnia étnia etnicidad etniciteit etnisk etnik skin",
    "religion": "religion religious konfession religión religione religião religiao religie godsdienst religia wyznanie "
    "religiös dini faith",
    "disability": "disability disabilities disabled handicap handicapped behinderung schwerbehinderung invalidité "
    "discapacidad disabilità deficiência deficiencia handicapé niepełnosprawność funktionsnedsättning engelli",
    "nationality": "nationality nationalities citizenship citizen staatsangehörigkeit nationalität nationalité nacionalidad "
    "nazionalità cittadinanza nacionalidade nationaliteit narodowość obywatelstwo nationalitet medborgarskap uyruk "
    "foreign foreigner immigrant migrant immigration",
    "marital status": "marital married marriage familienstand matrimonial conjugal civilstånd burgerlijke medeni estadocivil",
    "pregnancy": "pregnant pregnancy schwanger enceinte embarazada incinta",
}  # fmt: skip
_SIGNS: Final = {
    "sex": "性别 性別", "age": "年龄 年齡 年齢", "race": "种族 種族 民族", "religion": "宗教", "disability": "残疾 殘疾 障害",
    "nationality": "国籍 國籍", "marital status": "婚姻",
}  # fmt: skip
_PHRASES: Final = {
    "marital status": (
        "état civil",
        "etat civil",
        "estado civil",
        "stato civile",
        "stan cywilny",
        "personal status",
    ),
    "sex": ("sexual orientation",),
    "age": ("senior citizen",),
}
_KINDS: Final = {word: kind for kind, words in _WORDS.items() for word in words.split()}


def protected_kind(name: str) -> str | None:
    """What a column's name says that it holds: "sex", "age", ...; None for nothing of the kind.

    Args:
        name: as in the header.
    """
    words = words_of(name)
    joined = " ".join(words)
    for kind, phrases in _PHRASES.items():
        if any(phrase in joined for phrase in phrases):
            return kind
    for kind, signs in _SIGNS.items():
        if any(sign in name for sign in signs.split()):
            return kind
    return next((_KINDS[word] for word in words if word in _KINDS), None)


def left_free(schema: TableSchema, *, immutable: Sequence[str] = ()) -> tuple[str, ...]:
    """Columns that look protected and that a search may change.

    Args:
        schema: of the table.
        immutable: columns that are held besides those of the schema.
    """
    held = frozenset(immutable)
    return tuple(
        column.name
        for column in schema.columns
        if not column.immutable and column.name not in held and protected_kind(column.name) is not None
    )


def free_note(schema: TableSchema, *, immutable: Sequence[str] = ()) -> str:
    """What a reader must know of such columns; empty where there is none.

    Args:
        schema: of the table.
        immutable: columns that are held besides those of the schema.
    """
    free = left_free(schema, immutable=immutable)
    if not free:
        return ""
    kinds = dict.fromkeys(protected_kind(name) or "" for name in free)
    one = len(free) == 1
    return (
        f"{listed(free)} {'looks' if one else 'look'} protected ({', '.join(kinds)}) and {'is' if one else 'are'} left "
        f"free: a counterfactual may change {'it' if one else 'them'}. Hold {'it' if one else 'them'} with --immutable "
        f"{','.join(free)}; an audit compares by {'it' if one else 'them'} with --by."
    )
