"""``[translation]`` in ``aexl.toml``."""

from __future__ import annotations

from typing import Literal

import msgspec

from aexl_translation.dialects import Dialect


class TranslationSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Between dialects.

    Attributes:
        off: Providers are only called in the dialects that they speak themselves.
        prefer: By provider, into which dialect calls are translated where it speaks several.
        speaks: By provider, the dialects that its server really has, where they are fewer than its type's.
        effort: By provider, whether its models are told an effort of thinking; else their names decide.
        unknown: What becomes of a field that the translation does not know.
    """

    off: bool = False
    prefer: dict[str, Dialect] = {}
    speaks: dict[str, tuple[Dialect, ...]] = {}
    effort: dict[str, bool] = {}
    unknown: Literal["refuse", "ignore"] = "refuse"
