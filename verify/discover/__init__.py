"""Closed forms from numbers alone.

:mod:`~verify.discover.quantities` says what can be asked for and which facts of the certificate checker decide it;
:mod:`~verify.discover.measure` brackets the number at a configuration; :mod:`~verify.discover.numbers` recognises roots
of rationals and zeros of small polynomials; :mod:`~verify.discover.fits` finds how they depend on the parameters, by
exact linear algebra; :mod:`~verify.discover.search` designs the configurations and ranks the proposals by their
complexity (:class:`~verify.discover.laws.Form`); :mod:`~verify.discover.proposals` tests them on fresh ones. No closed
form of a paper or of the rest of this project is known here.
"""

from verify.discover.measure import Quantity
from verify.discover.proposals import Proposal
from verify.discover.quantities import find, of_model
from verify.discover.search import Findings, discover

__all__ = ["Findings", "Proposal", "Quantity", "discover", "find", "of_model"]
