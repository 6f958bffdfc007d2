"""Hunt for counterexamples: attack a claim in stages, shrink what violates it, say how strong a survived attack was.

Everything that is tried is written to a journal (``journal``), which is the only state: a running hunt, a resumed one
and ``verify show`` read the same file (``progress``). Workers (``worker``) do slices of a stage (``stages``) and judge
every configuration by the kernel first (``attack``); ``campaign`` hands out the slices, ``shrink`` makes a
counterexample minimal, ``coverage`` and ``pressing`` measure what was tried, ``strength`` puts it together.
"""

from verify.hunt.campaign import Ended, hunt
from verify.hunt.strength import known, save_case, sentence, ship, shipped, summarise

__all__ = ["Ended", "hunt", "known", "save_case", "sentence", "ship", "shipped", "summarise"]
