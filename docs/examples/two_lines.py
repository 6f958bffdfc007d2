from theory.quick import *

never_confused = conjecture("MY-01", sp.Ge(margin, 0), title="No class is confused with another at the optimum")
